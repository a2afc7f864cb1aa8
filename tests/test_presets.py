"""Presets: what `--config=NAME` means, what is listed, and hashes that stay as they were recorded.

The oracles are the files in the folder, the hashes in results/, and names that are typed here.
"""

import importlib
import json
from pathlib import Path

import pytest
from test_launch import launch

from iae_jax import presets
from iae_jax.errors import InputError
from iae_jax.presets import NAMES, file_of, variants_of
from iae_jax.presets.config_words import located
from iae_jax.records.experiment_module import config_of, declared, module_of, variants_in
from iae_jax.records.variants import figure_modes, split_of
from iae_jax.runs.config import Config, digest, to_dict
from iae_jax.runs.renamed import translated
from iae_jax.runs.saved_config import from_dict
from iae_jax.runs.shared_config import shared_digest

ROOT = Path(__file__).parent.parent


def recorded():
    """(experiment, variant, hash) of every variant in results/ that was trained as it is named."""
    found = set()
    for path in (ROOT / "results").glob("*.json"):
        content = json.loads(path.read_text())
        for record in content["records"]:
            if record.get("config") and content["experiment"] in NAMES:
                found.add((content["experiment"], record["variant"], record["config"]))
    return found


def test_every_config_has_the_hash_of_its_records():
    """Although the functions that some of them name have moved."""
    records = recorded()
    measured = {path.stem for path in (ROOT / "results").glob("*.json")} & set(NAMES)
    assert len(records) > 60 and {name for name, _, _ in records} == measured
    for name, variant, config in records:
        for module in (presets.preset(name), importlib.import_module(f"experiments.{name}")):
            assert shared_digest(to_dict(config_of(module, variant))) == config, (name, variant)


def test_a_module_that_has_moved_is_the_same_run():
    """A config that was saved when the functions lay in experiments/ is today's."""
    old = to_dict(presets.preset("gaussian_mixture").get_config("grid25/iae"))
    text = json.dumps(old).replace("iae_jax.presets.", "experiments.")
    saved = from_dict(translated(json.loads(text)))
    assert text.count("experiments.gaussian_mixture:") == 3
    assert saved.metrics == ("iae_jax.presets.gaussian_mixture:measure(name='grid25')",)
    assert to_dict(saved) == old and digest(saved) == digest(from_dict(old))
    other = from_dict(translated({"encoder": {"kind": "experiments.mine:encoder"}}))
    assert other.encoder.kind == "experiments.mine:encoder"


def test_every_preset_is_listed_with_a_line_and_its_variants():
    files = {path.stem for path in presets.FOLDER.glob("*.py")} - {
        "__init__", "beyond", "colour", "config_words",
    }  # fmt: skip
    assert files == set(NAMES) and len(NAMES) == len(files)
    lines = presets.listing().splitlines()
    heads = [line for line in lines if not line.startswith(" ")]
    assert [line.partition("  ")[0] for line in heads] == list(NAMES)
    assert all(len(line.partition("  ")[2]) > 20 and line.endswith((".", ":", ")")) or "8x8" in line
               for line in heads), heads  # fmt: skip
    assert "  mnist_reconstruction:global_10_local_100" in lines
    assert "  svhn_reconstruction:deterministic_150/full/svhn_cropped" in lines
    named = [line.strip() for line in lines if line.startswith("  ")]
    assert named == [variant for name in NAMES for variant in variants_of(name)]
    for one in named:
        assert isinstance(config_of(presets.preset(one.partition(":")[0]), one.partition(":")[2]),
                          Config)  # fmt: skip


def test_a_name_is_the_file_of_a_preset_and_a_file_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").touch()
    folder = str(presets.FOLDER)
    assert file_of("digits") == f"{folder}/digits.py"
    assert file_of("semisupervised:iae_best/mnist/100") == (
        f"{folder}/semisupervised.py:iae_best/mnist/100"
    )
    assert file_of("mine.py:a/b") == "mine.py:a/b"
    # Of one's own file its neighbours can be imported, of a preset none by a short name.
    assert located(["x", "--config=digits", "--workdir=r"]) == (
        ["x", f"--config={folder}/digits.py", "--workdir=r"], [],
    )  # fmt: skip
    assert located(["x", "--config", "mine.py"])[1] == [str(tmp_path.resolve())]
    assert located(["x", "--config=", "--config.steps=3"])[0] == [
        "x",
        "--config=",
        "--config.steps=3",
    ]
    (tmp_path / "digits").touch()  # a file goes first
    assert file_of("digits") == "digits"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config=digit"], "there is no preset digit (do you mean digits?): see --list"),
        (["--config=mnist_clusters:k10"], "(do you mean mnist_clustering?)"),
        (["--config=xyzzy"], "there is no preset xyzzy: see --list, or name a file, NAME.py"),
        (["--config=experiments/digits.py"], "there is no file experiments/digits.py (do you mean"),
        (["--config", "absent.py"], "there is no file absent.py: a preset has a name, see --list"),
        (["--config=digits:large"], "this config has no variants: leave out the colon and what"),
        (["--config=mnist_clustering:k11"], "a variant is one of k10, k16, k30, not 'k11'"),
        (["--config=digits", "--config.batchsize=1"], "field batchsize (do you mean batch_size?)"),
        (
            ["--config=digits", "--config.steps=5", "--noconfig.run.clasifier"],
            "no config field run.clasifier (do you mean run.classifier?): see --help_config",
        ),
        (["--config=digits"], "--config=digits --workdir=DIR, or see --list"),
    ],
)
def test_a_config_that_is_not_there_is_one_line(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = launch(*words)
    assert (code, out, len(err)) == (2, "", 1), err
    assert err[0].startswith("error: ") and message in err[0]
    assert not list(tmp_path.iterdir())


def test_what_the_command_tells(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert launch("--version") == (0, "iae_jax 0.1.0\n", [])
    assert launch("--list") == (0, presets.listing() + "\n", [])
    code, out, _ = launch("--config=mnist_clustering:k10", "--list")
    assert code == 0 and out.startswith("MNIST clustered without labels into K categories")
    assert out.endswith("mnist_clustering:k10\nmnist_clustering:k16\nmnist_clustering:k30\n")
    code, out, _ = launch("--help_config")
    assert code == 0 and "\ngenerator.ramp_steps: int = 0\n    in so many steps" in out
    (tmp_path / "mine.py").write_text("from iae_jax import Config as get_config\n")
    code, _, err = launch("--config=mine.py", "--list")
    assert code == 2 and "--list is of presets, and mine.py is a file of your own" in err[0]


def test_an_experiment_has_what_its_preset_says():
    """As the files of presets have it; an experiment's own goes first."""
    ablation, regression = map(module_of, ("semisupervised_ablation", "regression"))
    assert variants_in(regression) == ("least_squares", "adversarial")
    assert not hasattr(regression, "VARIANTS") and not hasattr(ablation, "SPLIT")
    assert (declared(regression, "SEEDS", 3), declared(ablation, "SEEDS", 3)) == (5, 3)
    assert (split_of(regression), split_of(ablation)) == ("test", "validation")
    assert declared(regression, "TOGETHER", False) and not figure_modes(regression)
    assert declared(module_of("digits"), "SEEDS", 3) == 3
    assert variants_in(module_of("tests/tiny.py")) == ("",)


def test_a_sweep_finds_experiments_presets_and_files(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import beside\n\n\ndef get_config():\n    return beside.Config(steps=17)\n"
    )
    (tmp_path / "beside.py").write_text("from iae_jax import Config\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert module_of("digits").__name__ == "experiments.digits"
    assert config_of(module_of(str(tmp_path / "mine.py")), "").steps == 17
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("iae_jax.records.experiment_module.ROOM", "experiments_of_another_folder")
        assert module_of("regression").__name__ == "iae_jax.presets.regression"
        with pytest.raises(InputError, match=r"preset regresion \(do you mean regression\?\)"):
            module_of("regresion")
