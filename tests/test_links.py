"""Links that somebody else has put where a run writes: what they lead to stays as it is.

They are put at every file that a command has written, and at every name that it could be foreseen
to use meanwhile. Oracle: what lies outside, its bytes and times.
"""

import os
import shutil
from stat import S_ISREG

import pytest
import sweeps
from test_launch import ROOT, launch
from test_ledger import noting

from iae_jax.errors import InputError
from iae_jax.files.json_lines import append_line
from iae_jax.files.lock import lock
from iae_jax.files.metrics_log import MetricsLog
from iae_jax.runs.run_folder import check_no_links

COMMANDS = {
    "train": (
        "--config=tests/tiny.py:vae", "--config.code.size=2", "--config.run.steps_per_call=2",
        "--config.run.classifier=False", "--config.run.curves=tensorboard", "--profile",
    ),
    "evaluate": ("--mode=evaluate",),
    "sample": ("--mode=sample", "--count=2"),
    "images": ("--mode=sample", "--count=2", "--format=png"),
    "reconstruct": ("--mode=reconstruct", "--count=2"),
    "interpolate": ("--mode=interpolate", "--count=2"),
    "traverse": ("--mode=traverse",),
    "encode": ("--mode=encode",),
    "score": ("--mode=score",),
    "export": ("--mode=export",),
    "page": ("--mode=page",),
}  # fmt: skip
# What a training that goes on leaves as it was.
OLDER = ("checkpoints/4/", "figures/step_0000004.png", "profile/")
PLACES = (("workdir", "symbolic"), ("workdir", "hard"), ("output", "symbolic"))
CASES = [
    (name, *place)
    for name in COMMANDS
    for place in PLACES[: 2 if name in ("train", "evaluate") else 3]
]


def stamps(folder):
    """What is below a folder, and of each file what changes when it is written."""
    found = {path.relative_to(folder).as_posix(): path.stat() for path in folder.rglob("*")}
    return {
        name: (one.st_ino, one.st_size, one.st_mtime_ns) if S_ISREG(one.st_mode) else ()
        for name, one in found.items()
    }


def contents(folder):
    """Of a folder of victims, which nothing but a link leads to."""
    return {
        path: path.is_file() and (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def foreseen(names):
    """Names that such a command used while it wrote these files, and could use again."""
    found = set()
    for folder, _, own in (name.rpartition("/") for name in names):
        hidden = (".writable", *(f".{own}.{os.getpid()}.{kind}" for kind in ("part", "old")))
        found |= {f"{folder}/{one}" if folder else one for one in hidden}
    return sorted(found)


@pytest.fixture(scope="module")
def run(tmp_path_factory, data_directory):
    """A run, and what each command has written in its folder: files and new folders."""
    pytest.importorskip("tensorboardX")
    path, written, before = tmp_path_factory.mktemp("run") / "run", {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for name, words in COMMANDS.items():
            if name == "train":
                words = (*words, "--config.steps=4", f"--config.data.directory={data_directory}")
            code, _, err = launch(*words, f"--workdir={path}")
            assert code == 0, err
            after = stamps(path)
            changed = {one for one in after if before.get(one) != after[one]}
            written[name] = sorted(changed - {one for one in before if (path / one).is_dir()})
            before = after
    assert {
        ".training.lock", "config.json", "metrics.jsonl", "run.json", "data.json", "profile",
        "figures", "figures/curves.png", "tensorboard", "checkpoints", "checkpoints/4",
    } <= set(written["train"])  # fmt: skip
    assert written["evaluate"] == ["evaluation_test.json", "test_reads.jsonl"]
    assert written["images"] == [
        "samples", "samples/000000.png", "samples/000001.png", "samples/codes.npz",
    ]  # fmt: skip
    assert written["encode"] == ["codes_test.npz", "codes_test.png", "test_reads.jsonl"]
    assert {"export", "export/export.json", "export/parameters.safetensors"} <= set(
        written["export"]
    )
    return path, written


def attack(folder, outside, names, kind, again):
    """Puts a link at each name and gives the command again until it succeeds, or has refused them
    all: each in a line that names it, after which what was there is put back. Returns those.

    again: gives the command: (exit status, lines of stderr).
    """
    left, own = {}, {}
    for name in names:
        path = folder / name
        victim = outside / name.replace("/", "+")
        if path.is_dir() or path.exists():
            shutil.move(path, victim)
            own[name] = victim
        elif kind == "hard":
            victim.write_text("mine")
        (os.link if kind == "hard" else os.symlink)(victim, path)
        left[str(path)] = name
    before, refused = contents(outside), set()
    while left:
        code, err = again()
        assert contents(outside) == before
        if not code:
            break
        (line,) = (line for line in err if line.startswith("error: "))
        assert any(one in line for one in left), line
        place = max((one for one in left if one in line), key=len)  # not that of its folder
        name = left.pop(place)
        refused.add(name)
        os.unlink(place)
        if name in own:
            copy = shutil.copytree if own[name].is_dir() else shutil.copy2
            copy(own[name], place, **({"symlinks": True} if own[name].is_dir() else {}))
    for name in set(left.values()) & set(own):
        path = folder / name
        assert name.startswith(OLDER) or not path.is_symlink() and path.stat().st_nlink == 1, name
    return refused


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "place", "kind"), CASES)
def test_no_link_is_written_through(run, tmp_path, monkeypatch, data_directory, name, place, kind):
    monkeypatch.chdir(ROOT)
    there, written = run
    path, output, outside = tmp_path / "run", tmp_path / "output", tmp_path / "outside"
    output.mkdir()
    words = [*COMMANDS[name], f"--workdir={path}"]
    if name == "train":
        words += ["--config.steps=8", "--allow_config_change"]
        words.append(f"--config.data.directory={data_directory}")
    if place == "output":
        words.append(f"--output={output}")

    def again():
        before = contents(path)
        code, out, err = launch(*words)
        if code and place == "workdir" and kind == "symbolic":
            assert code == 2 and not out and len(err) == 1 and "is a link" in err[0]
            assert contents(path) == before
        return code, err

    folders = [one for one in written[name] if (there / one).is_dir()]
    files = [one for one in written[name] if one not in folders]
    # Folders that are made anew have no names of before; a checkpoint with another file is damaged.
    new = ("checkpoints/", "samples/", "export/")
    further = foreseen(one for one in written[name] if not one.startswith(new))
    if place == "workdir" and kind == "symbolic":
        further = []  # any link is refused there, one at a time
    for names in ([*files, *further], *([one] for one in folders if kind == "symbolic")):
        for one in (path, output, outside):
            shutil.rmtree(one, ignore_errors=True)
        outside.mkdir()
        shutil.copytree(there, path)
        output.mkdir()
        if place == "output":
            for one in written[name]:
                if "/" not in one:
                    shutil.move(path / one, output / one)
        folder = output if place == "output" else path
        refused = attack(folder, outside, names, kind, again)
        if place == "workdir" and kind == "symbolic" or names[0] in folders:
            assert refused == set(names)
        else:
            changed = {".training.lock", "test_reads.jsonl"}
            changed |= {one for one in files if one.startswith("tensorboard/")}
            assert refused == changed & set(files)


@pytest.mark.heavy
def test_no_link_among_checkpoints_elsewhere(tmp_path, monkeypatch, data_directory):
    monkeypatch.chdir(ROOT)
    words = [
        "--config=tests/tiny.py:vae", f"--workdir={tmp_path / 'run'}",
        f"--config.run.checkpoints={tmp_path / 'elsewhere'}",
        f"--config.data.directory={data_directory}",
    ]  # fmt: skip
    assert launch(*words, "--config.steps=4")[0] == 0
    (tmp_path / "outside").mkdir()
    names = [one for one in stamps(tmp_path / "elsewhere") if "/" not in one]
    assert {"4", ".training.lock"} <= set(names)
    refused = attack(
        tmp_path / "elsewhere", tmp_path / "outside", names, "symbolic",
        lambda: launch(*words, "--config.steps=8", "--allow_config_change")[::2],
    )  # fmt: skip
    assert refused == set(names)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_no_link_among_the_records_of_a_sweep(tmp_path, monkeypatch, capsys, kind):
    noting(monkeypatch)
    assert sweeps.command(tmp_path, sweeps.TWO, "--seeds=1") == 0
    (tmp_path / "outside").mkdir()
    seeds = iter(range(2, 9))  # something to write

    def again():
        capsys.readouterr()
        code = sweeps.command(tmp_path, sweeps.TWO, f"--seeds={next(seeds)}")
        return code, list(dict.fromkeys(capsys.readouterr().err.splitlines()))

    records, figures = ([*stamps(tmp_path / one)] for one in ("r", "f"))
    assert "mnist_reconstruction.json" in records and figures
    names = [*records, *foreseen(records)]
    refused = attack(tmp_path / "r", tmp_path / "outside", names, kind, again)
    assert refused == {".mnist_reconstruction.lock", "test_reads.jsonl"}
    shutil.rmtree(tmp_path / "outside")
    (tmp_path / "outside").mkdir()
    assert not attack(
        tmp_path / "f", tmp_path / "outside", [*figures, *foreseen(figures)], kind, again
    )


@pytest.mark.heavy
def test_a_run_may_be_reached_by_a_link(run, tmp_path):
    """And W&B has links in its own folder, which lead to places there."""
    path = tmp_path / "run"
    shutil.copytree(run[0], path)
    (path / "wandb" / "offline-run").mkdir(parents=True)
    (path / "wandb" / "latest-run").symlink_to("offline-run")
    (tmp_path / "name").symlink_to(path)
    words = ("--mode=sample", f"--workdir={tmp_path / 'name'}", "--count=2")
    assert launch(*words)[0] == 0
    assert (path / "samples.npz").is_file()
    (path / "wandb" / "offline-run" / "files").symlink_to("../../checkpoints")
    code, _, (line,) = launch(*words)
    assert code == 2 and f"{tmp_path / 'name'}/wandb/offline-run/files is a link" in line


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
@pytest.mark.parametrize("writer", ["lock", "append_line", "metrics_log"])
def test_what_is_changed_in_place_has_no_other_name(tmp_path, kind, writer):
    path, precious = tmp_path / "file", tmp_path / "precious"
    log = MetricsLog(path, 0)
    path.unlink()
    precious.write_text("mine")
    (os.link if kind == "hard" else os.symlink)(precious, path)
    write = {
        "lock": lambda: lock(path, wait=False),
        "append_line": lambda: append_line(path, {"a": 1}),
        "metrics_log": lambda: log.write({"a": 1}),
    }
    with pytest.raises((OSError, InputError), match="is a link.*remove it|Too many l"):
        write[writer]()
    assert precious.read_text() == "mine"
    path.unlink()
    os.mkfifo(path)  # nobody reads it: whoever opened it to write would wait
    with pytest.raises((OSError, InputError), match="No such device"):
        write[writer]()


def test_a_pipe_in_a_runs_folder_is_refused(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "config.json").write_text("{}")
    check_no_links(tmp_path)
    os.mkfifo(tmp_path / "figures" / "samples.png")
    with pytest.raises(InputError, match="figures/samples.png is no file and no folder: remove it"):
        check_no_links(tmp_path)
