"""Records of further seeds beside those of before. The oracle is arithmetic done by hand."""

import json
import shlex
from pathlib import Path

import pytest
from test_results import records_of, workdir

from experiments.mnist_reconstruction import get_config
from iae_jax.errors import InputError
from iae_jax.records.merge import merge
from iae_jax.records.record import read_records
from iae_jax.records.results import collect, main
from iae_jax.records.variants import Run, done
from iae_jax.runs.config import to_dict
from iae_jax.runs.shared_config import shared_digest


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


def test_the_command_does_not_replace_seeds_of_another_config(tmp_path, capsys):
    arguments = ["mnist_reconstruction", "--directory", str(tmp_path)]
    assert main([*arguments, f"vae_20={workdir(tmp_path / 'a', 1, 0.9)}"]) == 0
    before = (tmp_path / "mnist_reconstruction.json").read_text()
    other = workdir(tmp_path / "b", 2, 0.1, rate=1e-3)
    assert main([*arguments, f"vae_20={other}"]) == 2
    assert "its seeds [1] would be lost" in capsys.readouterr().err
    assert (tmp_path / "mnist_reconstruction.json").read_text() == before


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
    with pytest.raises(InputError, match="label_agreement is in the results and not measured now"):
        merge(first, [one for one in first if one["metric"] != "label_agreement"])


def test_a_metric_that_is_new_begins_with_the_new_seeds(tmp_path):
    """It comes last, and the runs of older seeds are not made again for it."""
    old, *more = (records_of(tmp_path, str(seed), seed, 0.1 * seed) for seed in (1, 2, 3))
    first, second = ([one | {"metric": "control"} for one in new[1:2]] + new for new in more)
    merged = merge(merge(old, first), second)
    found = {one["metric"]: (one["seeds"], one["values"]) for one in merged}
    assert found["label_agreement"] == ([1, 2, 3], pytest.approx([0.1, 0.2, 0.3]))
    assert found["control"] == ([2, 3], pytest.approx([0.2, 0.3]))
    assert merged[-1]["metric"] == "control" and len(merged) == len(old) + 1
    with pytest.raises(InputError, match="control is in the results and not measured now"):
        merge(merged, records_of(tmp_path, "again", 1, 0.9))
    run = Run("deterministic_20", 1, tmp_path, merged[0]["config"])
    assert done(run, merged) and not done(run._replace(seed=4), merged)
    assert not done(run._replace(config="other"), merged) and not done(run, [])
