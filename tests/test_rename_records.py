"""Records under today's names. Oracle: the hash that a record had, computed under the old names."""

import json
import shutil
from pathlib import Path

from experiments import mnist_reconstruction, rename_records
from iae_jax.records.results import shared_digest
from iae_jax.runs.config import to_dict

RESULTS = Path(__file__).parent.parent / "results"
# deterministic_20 as version 0.1 recorded it.
OLD_HASH = "e575adaf67d3"


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
