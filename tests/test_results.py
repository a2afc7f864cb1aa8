"""Records of several seeds. The oracle is arithmetic done by hand."""

import json
import math
from pathlib import Path

import pytest

from experiments.mnist_reconstruction import get_config
from iae_jax.errors import InputError
from iae_jax.records.merge import merge
from iae_jax.records.results import collect, main
from iae_jax.records.sampling_error import intervals
from iae_jax.runs.config import to_dict


def workdir(
    path, seed, agreement, n=50, extractor="classifier/mnist/1a", checkpoint="best", rate=5e-4
):
    path.mkdir()
    config = get_config("deterministic_20")
    config.seed, config.data.directory, config.run.log_steps = seed, str(path), seed
    config.encoder.optimizer.rate = rate
    (path / "config.json").write_text(json.dumps(to_dict(config)))
    records = [
        {
            "metric": "classifier_accuracy",
            "value": 0.99,
            "n": n,
            "seed": seed,
            "split": "test",
            "extractor": extractor,
            "config": "c",
        },
        {
            "metric": "label_agreement",
            "value": agreement,
            "n": n,
            "seed": seed,
            "split": "test",
            "extractor": extractor,
            "config": "c",
        },
    ]
    (path / "evaluation_test.json").write_text(
        json.dumps(
            {
                "checkpoint": checkpoint,
                "step": 9,
                "classifier_test_accuracy": 0.99,
                "records": records,
            }
        )
    )
    run = {
        "steps": 9,
        "steps_per_second": 2.0 + seed,
        "compile_seconds": 1.0,
        "peak_memory_megabytes": 7.0,
        "training_seconds": 30.0 * seed,
        "device": "1 x cpu",
        "cores": 2,
        "commit": "abc",
    }
    (path / "run.json").write_text(json.dumps(run))
    return str(path)


def records_of(tmp_path, name, seed, value, **options):
    folder = workdir(tmp_path / name, seed, value, **options)
    return collect("mnist_reconstruction", "deterministic_20", [Path(folder)])


def test_one_value_per_seed_with_mean_and_sd(tmp_path, capsys):
    seeds = [
        workdir(tmp_path / f"s{seed}", seed, value)
        for seed, value in ((1, 0.9), (2, 0.96), (4, 0.93))
    ]
    variant = f"deterministic_20={','.join(seeds)}"
    arguments = ["mnist_reconstruction", variant, "--directory", str(tmp_path / "r")]
    assert main(arguments) == 0
    content = json.loads((tmp_path / "r" / "mnist_reconstruction.json").read_text())
    (record,) = [r for r in content["records"] if r["metric"] == "label_agreement"]
    assert record["values"] == [0.9, 0.96, 0.93] and record["seeds"] == [1, 2, 4]
    assert record["mean"] == pytest.approx(0.93) and record["sd"] == pytest.approx(0.03)
    assert record["n_examples"] == 50 and record["seconds"] == [30, 60, 120]
    assert "| label_agreement | 0.930 ± 0.030 |" in capsys.readouterr().out
    # Another variant, and a further seed of this one: what is there stays.
    more = workdir(tmp_path / "s7", 7, 0.99), workdir(tmp_path / "other", 1, 0.5, rate=1.0)
    for variant in (f"deterministic_20={more[0]}", f"vae_20={more[1]}"):
        assert main(["mnist_reconstruction", variant, "--directory", str(tmp_path / "r")]) == 0
    content = json.loads((tmp_path / "r" / "mnist_reconstruction.json").read_text())
    found = {r["variant"]: r for r in content["records"] if r["metric"] == "label_agreement"}
    assert found["deterministic_20"]["values"] == [0.9, 0.96, 0.93, 0.99]
    assert found["vae_20"]["values"] == [0.5]


def test_a_model_that_generates_nothing_has_no_accuracy_of_the_classifier(tmp_path):
    path = tmp_path / "s"
    workdir(path, 1, 0.9)
    evaluation = json.loads((path / "evaluation_test.json").read_text())
    evaluation["records"] = [evaluation["records"][1] | {"metric": "test_error"}]
    (path / "evaluation_test.json").write_text(json.dumps(evaluation))
    found = collect("mnist_reconstruction", "deterministic_20", [path])
    assert {one["metric"] for one in found} == {
        "test_error",
        "steps_per_second",
        "compile_seconds",
        "peak_memory_megabytes",
    }


@pytest.mark.parametrize("change", [{"n": 51}, {"extractor": "classifier/mnist/2b"}])
def test_seeds_that_were_measured_differently_are_refused(tmp_path, capsys, change):
    pair = [workdir(tmp_path / "a", 1, 0.9), workdir(tmp_path / "b", 2, 0.9, **change)]
    assert main(["e", f"v={','.join(pair)}", "--directory", str(tmp_path / "r")]) == 2
    assert f"differs in {next(iter(change))} between seeds" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_run_that_is_not_evaluated_or_is_there_twice_is_refused(tmp_path, capsys):
    assert main(["e", f"v={tmp_path / 'absent'}"]) == 2
    assert "to the last step" in capsys.readouterr().err
    (Path(workdir(tmp_path / "trained", 1, 0.9)) / "evaluation_test.json").unlink()
    assert main(["e", f"v={tmp_path / 'trained'}"]) == 2
    assert "--mode=evaluate" in capsys.readouterr().err
    pair = [workdir(tmp_path / "a", 1, 0.9), workdir(tmp_path / "c", 1, 0.8)]
    assert main(["e", f"v={','.join(pair)}"]) == 2
    assert "not all different" in capsys.readouterr().err
    other = workdir(tmp_path / "b", 2, 0.8, checkpoint="latest")
    assert main(["e", f"v={pair[0]},{other}"]) == 2
    assert "another checkpoint" in capsys.readouterr().err
    assert main(["e", "v"]) == 2
    assert "VARIANT=WORKDIR" in capsys.readouterr().err


def test_an_evaluation_of_an_earlier_step_is_refused(tmp_path, capsys):
    one = workdir(tmp_path / "a", 1, 0.9, checkpoint="latest")
    run = json.loads((tmp_path / "a" / "run.json").read_text())
    (tmp_path / "a" / "run.json").write_text(json.dumps(run | {"steps": 18}))
    assert main(["e", f"v={one}", "--directory", str(tmp_path / "r")]) == 2
    assert "was evaluated at step 9 and has 18" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_seeds_of_different_configs_are_refused(tmp_path, capsys):
    pair = [workdir(tmp_path / "a", 1, 0.9), workdir(tmp_path / "b", 2, 0.9, rate=1e-3)]
    assert main(["mnist_reconstruction", f"deterministic_20={','.join(pair)}"]) == 2
    assert "trained with different configs" in capsys.readouterr().err


def test_the_command_has_every_changed_field(tmp_path):
    pair = [workdir(tmp_path / name, seed, 0.9, rate=1e-3) for name, seed in (("a", 1), ("b", 2))]
    arguments = ["mnist_reconstruction", f"deterministic_20={','.join(pair)}"]
    assert main([*arguments, "--directory", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "mnist_reconstruction.json").read_text())
    assert content["records"][0]["command"] == (
        "python -m iae_jax.launch --config=experiments/mnist_reconstruction.py:deterministic_20 "
        "--workdir=DIR --config.seed=SEED --config.encoder.optimizer.rate=0.001; the same with "
        "--mode=evaluate --checkpoint=best"
    )


def test_a_damaged_file_is_one_line(tmp_path, capsys):
    folder = workdir(tmp_path / "a", 1, 0.9)
    (tmp_path / "a" / "run.json").write_text("{")
    assert main(["mnist_reconstruction", f"deterministic_20={folder}"]) == 2
    assert "run.json is damaged: run the launcher again" in capsys.readouterr().err


def test_each_seed_has_the_interval_of_its_value(tmp_path):
    """KID has one; seeds recorded before intervals were have none."""
    folder = Path(workdir(tmp_path / "a", 1, 0.9))
    evaluation = json.loads((folder / "evaluation_test.json").read_text())
    evaluation["records"][1] |= {"low": 0.7, "high": 1.5}
    (folder / "evaluation_test.json").write_text(json.dumps(evaluation))
    now = collect("mnist_reconstruction", "deterministic_20", [folder])
    before = records_of(tmp_path, "b", 0, 0.8)
    found = {one["metric"]: one for one in merge(before, now)}
    assert found["label_agreement"]["values"] == [0.8, 0.9]
    assert found["label_agreement"]["intervals"] == [None, [0.7, 1.5]]
    assert "intervals" not in found["classifier_accuracy"]


@pytest.mark.parametrize(
    "name, content",
    [
        ("run", {"a": 1}),
        ("run", [1]),
        ("evaluation_test", {"records": []}),
        (
            "evaluation_test",
            {"checkpoint": "best", "classifier_test_accuracy": None, "records": []},
        ),
    ],
)
def test_a_file_that_lacks_something_is_one_line(tmp_path, name, content):
    folder = Path(workdir(tmp_path / "a", 1, 0.9))
    (folder / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="again"):
        collect("mnist_reconstruction", "deterministic_20", [folder])


def test_a_value_that_is_not_finite_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"label_agreement of the seeds \[1\] is not finite"):
        records_of(tmp_path, "a", 1, None)


def test_the_versions_of_every_run_stand_in_its_records(tmp_path):
    for name, versions in (("a", {"jax": "1", "python": "3"}), ("b", {"jax": "2", "python": "3"})):
        folder = Path(workdir(tmp_path / name, seed=len(versions) + ord(name), agreement=0.9))
        run = json.loads((folder / "run.json").read_text()) | {"versions": versions}
        (folder / "run.json").write_text(json.dumps(run))
    first, second = (
        collect("mnist_reconstruction", "deterministic_20", [tmp_path / name]) for name in "ab"
    )
    assert first[0]["versions"] == {"jax": "1", "python": "3"}
    assert merge(first, second)[0]["versions"] == {"jax": "1, 2", "python": "3"}
    without = records_of(tmp_path, "c", 1, 0.9)
    assert "versions" not in without[0]
    assert merge(without, second)[0]["versions"] == {"jax": "unknown, 2", "python": "unknown, 3"}
    both = collect("mnist_reconstruction", "deterministic_20", [tmp_path / name for name in "ab"])
    assert both[0]["versions"] == {"jax": "1, 2", "python": "3"}


@pytest.mark.parametrize(("metric", "scale"), [("label_agreement", 1), ("test_error", 100)])
def test_a_share_of_examples_has_wilsons_interval(metric, scale):
    """Oracle: the formula, of 2 in 50."""
    one = {"metric": metric, "values": [0.04 * scale, None], "n_examples": 50}
    p, n, z = 0.04, 50, 1.959964
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low_high, nothing = intervals(one)
    assert low_high == pytest.approx([scale * (middle - reach), scale * (middle + reach)], rel=1e-5)
    assert nothing is None
    assert intervals(one | {"metric": "pixel_error"}) == [None, None]
    assert intervals(one | {"intervals": [[0, 1], None]})[0] == [0, 1]
