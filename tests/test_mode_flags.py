"""The flags of the modes that read a run: those that would be ignored are refused, and messages
name flags that there are. Nothing is trained. The messages are read from the source."""

import ast
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny
from test_launch import launch

import iae_jax.launch
from iae_jax import sweep
from iae_jax.records.variants import Run
from iae_jax.runs import reading
from iae_jax.runs.config import to_dict
from iae_jax.runs.config_help import check_fields
from iae_jax.runs.images import in_flags

PACKAGE = Path(__file__).parent.parent / "iae_jax"
ALWAYS = {"workdir", "mode", "config", "checkpoint", "output"}
OF_IMAGES = {*reading.MODES["encode"].reads} - {"split"}
# What prints messages about images that modes read, and what else these modes consist of.
DATA = [
    "folder", "image_files", "image_labels", "label_files", "classes", "npz", "pixels", "planar",
    "reading", "sources", "splits", "synthetic", "tfds_records", "dataset",
]  # fmt: skip
RUNS = [
    "evaluation", "explorer", "export", "images", "loaded", "measured", "model_inputs",
    "model_outputs", "pictures", "reading", "request", "run_page", "saved_config", "tables",
    "trained", "visualize",
]  # fmt: skip
OF_PREPARE = {"data_dir"}  # in the command that prepares a set


def texts_in(path):
    """Every text of a file but the docstrings; what is filled in is {}."""
    tree = ast.parse(path.read_text())
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef
    docstrings = {ast.get_docstring(n, clean=False) for n in ast.walk(tree) if isinstance(n, kinds)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "" if node.value in docstrings else node.value


def flags_in(text):
    return set(re.findall(r"(?<![\w-])--([a-z]\w*(?:\.\w+)*)", text))


@pytest.mark.parametrize("name", DATA)
def test_messages_about_images_name_flags_of_modes(name):
    for text in texts_in(PACKAGE / "data" / f"{name}.py"):
        found = flags_in(in_flags(text, "photos/", (8, 8, 1)))
        assert found <= OF_IMAGES | OF_PREPARE, text
        own = flags_in(in_flags(text))
        assert own <= {"directory"} | OF_PREPARE, text
        # And as they are, of a training.
        for flag in flags_in(text) - OF_PREPARE:
            check_fields([flag.removeprefix("config.")])


def test_the_messages_are_found():
    texts = [text for name in DATA for text in texts_in(PACKAGE / "data" / f"{name}.py")]
    fields = {one for text in texts for one in flags_in(text)}
    assert {"config.data.size", "config.data.arrays", "config.data.name"} <= fields


@pytest.mark.parametrize("name", RUNS)
def test_messages_of_modes_name_flags_of_modes(name):
    every = {flag for mode in reading.MODES.values() for flag in mode.reads} | ALWAYS
    for text in texts_in(PACKAGE / "runs" / f"{name}.py"):
        for flag in flags_in(text) - every - set(reading.TRAINING):
            check_fields([flag.removeprefix("config.")])


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run's folder without a checkpoint, and what the modes are asked."""
    monkeypatch.chdir(tmp_path)
    config = tiny.get_config()
    config.run.seeds = 3
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps(to_dict(config)))
    asked = []
    monkeypatch.setattr(reading, "evaluate_run", lambda config, *_: asked.append(config))
    monkeypatch.setattr(reading, "model_of", lambda config, *_: asked.append(config))
    every = {name: mode._replace(run=lambda request: []) for name, mode in reading.MODES.items()}
    monkeypatch.setattr(reading, "MODES", every)
    return asked


@pytest.mark.parametrize(
    ("mode", "word", "message"),
    [
        ("sample", "--seeds=2", "--seeds is for --mode=train, evaluate, not for --mode=sample"),
        ("encode", "--profile", "--profile is for --mode=train, not for --mode=encode"),
        ("evaluate", "--profile", "--profile is for --mode=train, not for --mode=evaluate"),
        ("score", "--allow_config_change", "--allow_config_change is for --mode=train, not for"),
        ("evaluate", "--seeds=2", "--seeds is of a training, and this run has 3: leave it out"),
        ("sample", "--size=8", "--size is for --mode=reconstruct, interpolate, traverse, encode"),
        ("encode", "--size=8", "--size is of --images, and the run's own are read as in training"),
        ("score", "--arrays=images=x", "--arrays is of --images"),
        ("export", "--directory=x", "--directory is for --mode=evaluate, reconstruct"),
        ("train", "--directory=x", "--directory is for --mode=evaluate, reconstruct"),
        (
            "encode",
            "--images=a/ --directory=x",
            "--directory is of data sets of TFDS, and a/ is none",
        ),
        ("train", "--labels=x.csv", "--labels is for --mode=evaluate, reconstruct"),
        ("encode", "--data=a/", "--data is the place of files, and this run is of digits: leave"),
        ("evaluate", "--labels=a.csv", "--labels is of --images, and the run's own are read"),
        ("sample", "--data=a/", "--data is for --mode=evaluate, reconstruct, interpolate"),
        ("evaluate", "--images=a/", "--images is for --mode=reconstruct"),
    ],
)
def test_a_flag_that_would_be_ignored_is_refused(run, mode, word, message):
    config = [f"--config={tiny.__file__}"] if mode == "train" else []
    code, _, lines = launch("--workdir=run", f"--mode={mode}", *word.split(), *config)
    assert (code, len(lines)) == (2, 1) and message in lines[0], lines
    assert not run and [one.name for one in Path("run").iterdir()] == ["config.json"]


def test_the_seeds_of_a_run_are_in_its_folder(run):
    """As commands of before say them, they are right."""
    for words in ([], ["--seeds=3"], [f"--config={tiny.__file__}"]):
        assert launch("--workdir=run", "--mode=evaluate", *words)[0] == 0
    assert launch("--workdir=run", "--mode=sample", f"--config={tiny.__file__}")[0] == 0
    assert [config.run.seeds for config in run] == [3, 3, 3, 3]


def test_the_place_of_tfds_may_be_said(run):
    for mode in ("evaluate", "encode"):
        assert launch("--workdir=run", f"--mode={mode}", "--directory=elsewhere")[0] == 0
    assert [config.data.directory for config in run] == ["elsewhere"] * 2


def test_a_sweep_shows_a_run_of_several_seeds(monkeypatch, tmp_path):
    """By a flag less: its modes would refuse it."""
    given = []
    monkeypatch.setattr(sweep, "launch", lambda module, run, *words: given.append(run.flags))
    module = SimpleNamespace(FIGURE_MODES=("sample",), FIGURES={"": ("a",)}, draw=None)
    sweep.show(module, Run("a", 4, tmp_path, "x", seeds=5))
    assert given == [["--config.seed=4"]]


def test_a_file_of_ones_own_is_no_preset_though_it_has_the_name_of_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "digits.py"):
        (tmp_path / name).write_text('"""Mine."""\nfrom iae_jax import Config as get_config\n')
        code, out, lines = launch("--list", f"--config={name}")
        assert (code, out, len(lines)) == (2, "", 1)
        assert f"--list is of presets, and {name} is a file of your own: leave --config" in lines[0]
    assert launch("--list", "--config=digits")[1].startswith("The default: an implicit auto")


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_an_interrupt_says_whether_the_command_resumes(run, monkeypatch, mode):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(iae_jax.launch, "train", interrupted)
    monkeypatch.setattr(reading, "read", interrupted)
    code, _, lines = launch("--workdir=run", f"--mode={mode}", f"--config={tiny.__file__}")
    assert code == 130 and ("the same command resumes" in lines[-1]) == (mode == "train")
