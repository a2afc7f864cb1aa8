"""Records under today's names. Oracle: the hash that a record had, computed under the old names."""

import json
import shutil
from pathlib import Path

import pytest
from test_results import workdir

from experiments import mnist_reconstruction, rename_records
from iae_jax.records import results
from iae_jax.runs.config import to_dict
from iae_jax.runs.renamed import measured
from iae_jax.runs.shared_config import shared_digest

RESULTS = Path(__file__).parent.parent / "results"
# deterministic_20 as version 0.1 recorded it.
OLD_HASH = "e575adaf67d3"


@pytest.mark.heavy
def test_every_record_is_of_todays_variants(tmp_path):
    """Nothing is left to rename, and every hash is that of the variant that its command names."""
    shutil.copytree(RESULTS, tmp_path / "results")
    assert rename_records.main(tmp_path / "results") == 0
    for path in RESULTS.glob("*.json"):
        assert (tmp_path / "results" / path.name).read_text() == path.read_text()


def test_an_old_record_gets_todays_hash_and_command():
    record = {
        "variant": "deterministic_20", "config": OLD_HASH,
        "command": "python -m iae_jax.launch --config=experiments/mnist_reconstruction.py:"
        "deterministic_20 --workdir=DIR --config.seed=SEED; the same with --mode=evaluate",
    }  # fmt: skip
    command = record["command"]
    assert rename_records.of_launch(record) == ""
    config = mnist_reconstruction.get_config("deterministic_20")
    assert record["config"] == shared_digest(to_dict(config)) != OLD_HASH
    assert record["command"] == command
    record["command"] = command.replace("SEED;", "SEED --config.code.marginal_weight=0.5;")
    assert "is the hash of another config" in rename_records.of_launch(record)
    assert "--config.auxiliary.marginal.weight.value=0.5" in record["command"]


def test_a_damaged_hash_is_reported(tmp_path, capsys):
    shutil.copy(RESULTS / "mnist_clustering.json", tmp_path)
    content = json.loads((tmp_path / "mnist_clustering.json").read_text())
    content["records"][0]["config"] = "0123456789ab"
    (tmp_path / "mnist_clustering.json").write_text(json.dumps(content))
    assert rename_records.main(tmp_path) == 1
    assert "0123456789ab" in capsys.readouterr().err


def test_the_ratio_of_two_distances_is_added_once():
    def measured(metric, variant, values):
        own = {"metric": metric, "variant": variant, "values": values, "seeds": [4, 9, 7]}
        return own | {"n_examples": len(metric), "command": "c"}

    first, last = measured("pixel_error", "a", [1, 1, 1]), measured("frechet_data", "b", [1, 1, 1])
    sample, data = (
        measured("frechet_sample", "a", [6, 8, 10]),
        measured("frechet_data", "a", [2, 4, 2]),
    )
    other = measured("frechet_sample", "b", [3, 3, 3]) | {"seeds": [4, 9, 8]}
    found = rename_records.with_ratios([first, sample, data, other, last])
    (ratio,) = [one for one in found if one["metric"] == "sample_ratio"]
    assert found == [first, sample, data, ratio, other, last]
    assert ratio == measured("frechet_sample", "a", [3, 2, 5]) | {
        "metric": "sample_ratio", "mean": pytest.approx(10 / 3),
        "sd": pytest.approx((7 / 3) ** 0.5),
    }  # fmt: skip
    assert rename_records.with_ratios(found) == found


def before_the_renaming(path):
    """The file with the names that metrics and extractors had."""
    path.write_text(path.read_text().replace("classifier", "judge").replace("hog/", "descriptor/"))
    assert "judge_test_accuracy" in path.read_text()


def test_what_was_measured_under_old_names_joins_what_is_measured_now(tmp_path, capsys):
    """Oracle: the same seeds under today's names alone."""
    both = [workdir(tmp_path / name, seed, seed / 8) for name, seed in (("a", 1), ("b", 2))]
    content = {}
    for name in ("new", "old"):
        words = ["mnist_reconstruction", "--directory", str(tmp_path / name)]
        file = tmp_path / name / "mnist_reconstruction.json"
        assert results.main([*words, f"deterministic_20={both[0]}"]) == 0
        if name == "old":
            before_the_renaming(file)
            before_the_renaming(Path(both[1]) / "evaluation_test.json")
        assert results.main([*words, f"deterministic_20={both[1]}"]) == 0
        content[name] = json.loads(file.read_text())
    assert content["old"] == content["new"]
    found = {one["metric"]: one for one in content["new"]["records"]}
    assert found["classifier_test_accuracy"]["seeds"] == [1, 2]
    assert found["label_agreement"]["extractor"] == "classifier/mnist/1a"
    records = measured([{"metric": "frechet_sample", "extractor": "descriptor/1/judge"}, [3]])
    assert records == [{"metric": "frechet_sample", "extractor": "hog/1/judge"}, [3]]
