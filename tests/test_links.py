"""Links in the folder of a run that somebody else has made: what is written there would lie, or
replace a file, elsewhere."""

import shutil

import pytest
from test_launch import launch

from iae_jax.errors import InputError
from iae_jax.files.lock import lock

TRAIN = ("--config=tests/tiny.py:vae", "--config.steps=4")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run"
    assert launch(*TRAIN, f"--workdir={path}")[0] == 0
    return path


WRITTEN = (
    ".training.lock", "config.json", "data.json", "run.json", "metrics.jsonl", "figures",
    "figures/curves.png", "checkpoints", "checkpoints/4", "tensorboard",
)  # fmt: skip


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("mode", "name"),
    [
        *(("train", name) for name in WRITTEN),
        ("evaluate", "evaluation_test.json"),
        ("sample", "figures"),
        ("sample", "samples.npz"),
    ],
)
def test_a_planted_link_is_refused_and_what_it_leads_to_stays(run, tmp_path, mode, name):
    path, precious = tmp_path / "run", tmp_path / "precious"
    shutil.copytree(run, path)
    planted = path / name
    if planted.is_dir():
        shutil.move(planted, precious)
    else:
        planted.unlink(missing_ok=True)
        precious.write_text("mine")
    planted.symlink_to(precious)
    before = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    words = (TRAIN[0], "--config.steps=8") if mode == "train" else (f"--mode={mode}",)
    code, out, err = launch(*words, f"--workdir={path}")
    assert code == 2 and not out
    (line,) = err
    assert line.startswith("error: ") and str(planted) in line and "is a link" in line
    assert before == {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}


@pytest.mark.heavy
def test_a_run_may_be_reached_by_a_link(run, tmp_path):
    """And W&B has links in its own folder."""
    path = tmp_path / "run"
    shutil.copytree(run, path)
    (path / "wandb" / "offline-run").mkdir(parents=True)
    (path / "wandb" / "latest-run").symlink_to("offline-run")
    (tmp_path / "name").symlink_to(path)
    assert launch("--mode=sample", f"--workdir={tmp_path / 'name'}", "--count=2")[0] == 0
    assert (path / "samples.npz").is_file()


def test_a_lock_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "lock").symlink_to("precious")
    with pytest.raises(InputError, match="is a link.*remove it"):
        lock(tmp_path / "lock", wait=False)
    assert (tmp_path / "precious").read_text() == "mine"
