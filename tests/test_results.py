"""Records of several seeds. The oracle is arithmetic done by hand."""

import json
import math
import shlex
from pathlib import Path

import pytest

from experiments.mnist_reconstruction import get_config
from iae_jax.errors import InputError
from iae_jax.records.merge import merge
from iae_jax.records.record import read_records
from iae_jax.records.results import collect, main
from iae_jax.records.sampling_error import intervals
from iae_jax.runs.config import to_dict
from iae_jax.runs.shared_config import shared_digest


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


def records_of(tmp_path, name, seed, value, **options):
    folder = workdir(tmp_path / name, seed, value, **options)
    return collect("mnist_reconstruction", "deterministic_20", [Path(folder)])


def test_a_run_with_old_names_of_fields_joins_the_others(tmp_path):
    new = records_of(tmp_path, "a", 1, 0.9)
    folder = Path(workdir(tmp_path / "b", 2, 0.8))
    config = json.loads((folder / "config.json").read_text())
    config["average"] = config.pop("ema")
    config["affine"]["worst"] = config["affine"].pop("vat_radius")
    (folder / "config.json").write_text(json.dumps(config))
    old = collect("mnist_reconstruction", "deterministic_20", [folder])
    assert old[0]["config"] == new[0]["config"] and old[0]["command"] == new[0]["command"]
    assert merge(new, old)[0]["seeds"] == [1, 2]


def test_a_further_seed_joins_the_others(tmp_path):
    first, second = records_of(tmp_path, "a", 3, 0.9), records_of(tmp_path, "b", 1, 0.8)
    other = [{**first[0], "variant": "another"}]
    merged = merge(merge([*other, *first], second), records_of(tmp_path, "c", 3, 0.7))
    assert merged[0] == other[0]
    (record,) = [
        r for r in merged if (r["metric"], r["variant"]) == ("label_agreement", "deterministic_20")
    ]
    assert record["values"] == [0.8, 0.7] and record["seeds"] == [1, 3]
    assert record["seconds"] == [30, 90] and record["mean"] == pytest.approx(0.75)
    assert record["device"] == "1 x cpu, 2 cores" and record["commit"] == "abc"


def test_where_all_seeds_are_measured_again_nothing_old_remains(tmp_path):
    first = records_of(tmp_path, "a", 3, 0.9, n=50)
    again = records_of(tmp_path, "b", 3, 0.8, n=60)
    assert merge(first, again) == again


def test_a_config_with_lists_has_one_hash_and_says_them_in_its_command(tmp_path):
    """Tuples become lists in config.json."""
    folder = Path(workdir(tmp_path / "a", 1, 0.9))
    config = json.loads((folder / "config.json").read_text())
    plain = collect("mnist_reconstruction", "deterministic_20", [folder])
    assert plain[0]["config"] == shared_digest(to_dict(get_config("deterministic_20")))
    assert "others" not in plain[0]["command"]
    config["auxiliary"]["others"] = ["mine:sharp", "mine:blunt"]
    (folder / "config.json").write_text(json.dumps(config))
    (record, *_) = collect("mnist_reconstruction", "deterministic_20", [folder])
    words = shlex.split(record["command"].partition(";")[0])
    assert words[-1] == "--config.auxiliary.others=('mine:sharp', 'mine:blunt')"


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


def test_the_command_does_not_replace_seeds_of_another_config(tmp_path, capsys):
    arguments = ["mnist_reconstruction", "--directory", str(tmp_path)]
    assert main([*arguments, f"vae_20={workdir(tmp_path / 'a', 1, 0.9)}"]) == 0
    before = (tmp_path / "mnist_reconstruction.json").read_text()
    other = workdir(tmp_path / "b", 2, 0.1, rate=1e-3)
    assert main([*arguments, f"vae_20={other}"]) == 2
    assert "its seeds [1] would be lost" in capsys.readouterr().err
    assert (tmp_path / "mnist_reconstruction.json").read_text() == before


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


@pytest.mark.parametrize("content", ['{"records": [{}]}', '{"records": {"a": 1}}', "[]", "{"])
def test_a_damaged_results_file_is_one_line(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputError, match="is damaged: move it away"):
        read_records(tmp_path / "r.json")
    (tmp_path / "r.json").unlink()
    (tmp_path / "r.json").mkdir()
    with pytest.raises(InputError, match="is damaged: move it away"):
        read_records(tmp_path / "r.json")


def test_another_config_replaces_and_another_measurement_is_refused(tmp_path):
    first = records_of(tmp_path, "a", 1, 0.9)
    replaced = merge(first, records_of(tmp_path, "b", 2, 0.8, rate=1e-3))
    assert all(record["seeds"] == [2] for record in replaced)
    with pytest.raises(InputError, match="has n_examples 50 in the results and 51 now"):
        merge(first, records_of(tmp_path, "c", 2, 0.8, n=51))
    with pytest.raises(InputError, match="has command .*=best' in the results and .*=latest' now"):
        merge(first, records_of(tmp_path, "d", 2, 0.8, checkpoint="latest"))
    with pytest.raises(InputError, match="label_agreement is not measured both in"):
        merge(first, [one for one in first if one["metric"] != "label_agreement"])


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
