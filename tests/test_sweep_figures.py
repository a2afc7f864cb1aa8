"""The figures of a sweep: of which variants and seeds, made from which files."""

import importlib

import pytest
from sweeps import TWO, command, replace_launcher, trained, values

from iae_jax import sweep
from iae_jax.presets.mnist_reconstruction import VARIANTS
from iae_jax.runs.interruption import Interrupted


@pytest.fixture
def launched(monkeypatch):
    return replace_launcher(monkeypatch)


def test_all_variants_draw_the_figure(tmp_path, launched, capsys):
    assert command(tmp_path, TWO, "--seeds=1") == 0
    assert "no figure" not in capsys.readouterr().err  # what is shown is what was asked for
    assert command(tmp_path, "--seeds=1") == 0
    assert (tmp_path / "f" / "mnist_reconstruction.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "f" / "mnist_reconstruction_curve.png").read_bytes().startswith(b"\x89PNG")
    learned = tmp_path / "f" / "mnist_reconstruction_learned_prior.png"
    assert learned.read_bytes().startswith(b"\x89PNG")
    assert len(VARIANTS) == 20


def test_views_are_made_of_what_the_figure_shows(tmp_path, monkeypatch):
    viewed = []

    def launch(experiment, run, *words):
        if not words:
            trained(run)
            (run.workdir / "reconstructions.npz").unlink()
        if "--mode=reconstruct" in words:
            viewed.append(run.variant)
            trained(run)

    monkeypatch.setattr(sweep, "launch", launch)
    assert command(tmp_path, "--seeds=1") == 0
    not_shown = {name for name in VARIANTS if "weight_" in name or "joint_model" in name}
    not_shown |= {f"global_{n}_local_100" for n in (2, 20, 50)}
    assert set(VARIANTS) - set(viewed) == not_shown and len(not_shown) == 11
    assert (tmp_path / "f" / "mnist_reconstruction.png").exists()


def test_a_view_that_was_broken_off_is_made_by_the_same_command(tmp_path, monkeypatch, capsys):
    """The numbers of one run are in the results already, its picture is not."""
    broken, started = {"vae_20"}, []

    def launch(experiment, run, *words):
        started.append((run.variant, *words[:1]))
        if not words:
            trained(run)
            (run.workdir / "reconstructions.npz").unlink()
        if "--mode=reconstruct" in words:
            if run.variant in broken:
                raise Interrupted("interrupted: the same command continues", 130)
            trained(run)

    monkeypatch.setattr(sweep, "launch", launch)
    assert command(tmp_path, "--seeds=1") == 130
    assert values(tmp_path, "vae_20") == ([0], [6])
    assert not (tmp_path / "f" / "mnist_reconstruction.png").exists()
    broken.clear()
    started.clear()
    assert command(tmp_path, "--seeds=1") == 0
    assert ("vae_20", "--mode=reconstruct") in started and ("vae_20",) not in started
    assert ("deterministic_20", "--mode=reconstruct") not in started
    assert (tmp_path / "f" / "mnist_reconstruction.png").exists()
    # Where the runs are not, there is nothing to make it of.
    (tmp_path / "runs").rename(tmp_path / "away")
    started.clear()
    assert command(tmp_path, "--seeds=1") == 0
    assert not started and "no figure: there is no run here of" in capsys.readouterr().err


def test_a_module_may_have_several_figures(tmp_path, launched, monkeypatch):
    module = importlib.import_module("experiments.mnist_reconstruction")
    both = {"one": ("vae_20",), "two": ("deterministic_20", "vae_20"), "three": ("ali_20",)}
    monkeypatch.setattr(module, "FIGURES", both)
    drawn = {}
    monkeypatch.setattr(module, "draw", lambda path, runs: drawn.update({path.name: list(runs)}))
    assert command(tmp_path, TWO, "--seeds=2") == 0
    assert drawn == {
        "mnist_reconstruction_one.png": ["vae_20"],
        "mnist_reconstruction_two.png": ["deterministic_20", "vae_20"],
    }


def test_the_figure_is_of_a_seed_that_is_here(tmp_path, launched, monkeypatch):
    """Seed 0 was trained elsewhere, and one of its runs is here."""
    assert command(tmp_path, "--seeds=2") == 0
    folders = (tmp_path / "runs" / "mnist_reconstruction" / "vae_20").glob("0-*")
    next(folders).rename(tmp_path / "away")
    drawn = []
    module = importlib.import_module("experiments.mnist_reconstruction")
    monkeypatch.setattr(module, "draw", lambda path, runs: drawn.append(runs))
    assert command(tmp_path, "--seeds=2") == 0
    assert {workdir.name[:2] for workdir in drawn[0].values()} == {"1-"}


def test_figures_are_drawn_again_without_a_training(tmp_path, launched):
    """Pictures of the runs that are here, and the curve of the records alone."""
    assert command(tmp_path, "--seeds=1") == 0
    trainings, drawn = len(launched[0]), sorted((tmp_path / "f").iterdir())
    for path in drawn:
        path.unlink()
    assert command(tmp_path, "--seeds=2", "--draw") == 0  # the second is nowhere
    assert sorted((tmp_path / "f").iterdir()) == drawn and len(drawn) == 3
    (tmp_path / "runs").rename(tmp_path / "away")
    for path in drawn:
        path.unlink()
    assert command(tmp_path, "--draw") == 0
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["mnist_reconstruction_curve.png"]
    assert len(launched[0]) == trainings and values(tmp_path, "vae_20")[0] == [0]
