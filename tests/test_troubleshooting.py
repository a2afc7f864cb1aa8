"""Troubleshooting: every logged name has a row, and each bad run shows what the page says of it.

Oracles: the names in the record of first steps, and the runs themselves.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from experiments import bad_runs
from iae_jax.objectives.adversarial import JOINT_RECONSTRUCTION, MARGINAL_CODE
from iae_jax.runs.config import Auxiliary

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
TROUBLE = (DOCS / "troubleshooting.md").read_text()
RENAMED = {"code_recovery": "code_information", "flipped_recovery": "sleep_loss"}  # in the record


def logged_names():
    """Of every kind of game in the record of first steps, and of what is younger."""
    with np.load(ROOT / "tests" / "first_steps.npz") as record:
        names = {name.partition("|")[2] for name in record.files}
    names = {RENAMED.get(name, name) for name in names}
    names |= {loss.name for loss in Auxiliary().built_in.values()}
    for part, pairing in (
        ("reconstruction", JOINT_RECONSTRUCTION),
        ("regularization", MARGINAL_CODE),
    ):
        names |= {f"{part}_{pairing.name}_{side}_logit" for side in ("numerator", "denominator")}
    return names | {"step", "seconds", "validation_pixel_error", "validation_label_error"}


def test_every_logged_name_has_a_row_with_its_healthy_range():
    _, _, own = TROUBLE.partition("## Every logged name\n")
    own, _, _ = own.partition("\n## ")
    rows = [line.split(" | ") for line in own.splitlines() if line.startswith("| `")]
    explained = {name for row in rows for name in re.findall(r"`([\w*]+)`", row[0])}
    patterns = [name.replace("*", r"\w+") for name in explained]
    assert len(logged_names()) > 25
    missing = [
        name
        for name in sorted(logged_names())
        if not any(re.fullmatch(pattern, name) for pattern in patterns)
    ]
    assert missing == []
    assert all(len(row) == 4 and all(cell.strip(" |") for cell in row) for row in rows)


# ---------------------------------------------------------------------------------------- bad runs

BAD = json.loads((DOCS / "bad_runs.json").read_text())
CHANCE = 2 * np.log(2)
# What the page says of each: conditions on its measures, on those of the good run, and on the last
# values of its curves and of the good run's.
SYMPTOMS = {
    "good": lambda own, good, last, healthy: (
        own["pixel_error_ratio"] < 0.68
        and own["label_agreement"] > 0.55
        and 0.7 < own["code_standard_deviation"] < 1.2
        and 0.7 < last["reconstruction_discriminator"] < CHANCE
    ),
    "generator ignores z": lambda own, good, last, healthy: (
        own["pixel_error_ratio"] > 0.8
        and own["label_agreement"] < 0.42
        and own["local_spread"] > 2 * good["local_spread"]
        and own["code_standard_deviation"] > 0.5
        and 1.2 < last["reconstruction_discriminator"] < CHANCE
        and 1.2 < last["regularization_discriminator"] < CHANCE + 0.02
    ),
    "collapsed codes": lambda own, good, last, healthy: (
        own["code_standard_deviation"] < 0.2
        and own["two_sample_accuracy"] > 0.75
        and own["label_agreement"] < 0.3
        and last["reconstruction_discriminator"] < CHANCE - 0.1
    ),
    "discriminator at chance": lambda own, good, last, healthy: (
        last["reconstruction_discriminator"] > CHANCE - 0.01
        and own["pixel_error_ratio"] > 1
        and own["label_agreement"] < 0.3
    ),
    "over-regularized": lambda own, good, last, healthy: (
        last["encoder_gradient_norm"] > 100 * healthy["encoder_gradient_norm"]
        and own["pixel_error_ratio"] > good["pixel_error_ratio"] + 0.07
        and own["label_agreement"] < good["label_agreement"] - 0.1
    ),
}


def last_of(run):
    return {name: values[-1] for name, values in run["curves"].items()}


def shows(name, run):
    good = BAD["good"]
    return SYMPTOMS[name](run["measured"], good["measured"], last_of(run), last_of(good))


def test_the_recorded_runs_show_what_the_page_says():
    assert list(BAD) == list(bad_runs.RUNS)
    for name, run in BAD.items():
        assert tuple(run["flags"]) == bad_runs.RUNS[name]
        assert [other for other in BAD if shows(name, BAD[other])] == [name]
        assert name == "good" or f'bad_run_flags "{name}"' in TROUBLE


@pytest.mark.slow
@pytest.mark.parametrize("name", bad_runs.RUNS)
def test_its_flags_make_each_run_again(name, tmp_path, data_directory, monkeypatch, capfd):
    monkeypatch.setenv("TFDS_DATA_DIR", data_directory)
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "0")
    flags = (*bad_runs.RUNS[name], "--config.run.devices=1")
    assert shows(name, bad_runs.run(flags, tmp_path / "run"))
    lines = capfd.readouterr().err.splitlines()
    (last,) = [line for line in lines if line.startswith("step 1500/1500")]
    assert f"  {'healthy' if name == 'good' else name}  " in last
