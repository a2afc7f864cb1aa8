"""Sweeps whose launcher is replaced: it leaves the files of a run without training one."""

import json

import numpy as np

from experiments.mnist_reconstruction import get_config
from iae_jax import sweep
from iae_jax.errors import InputError
from iae_jax.runs.config import to_dict

TWO = "--variants=deterministic_20,vae_20"


def trained(run, changes=()):
    """What the launcher leaves of a run. changes: FIELD=NUMBER."""
    config = get_config(run.variant)
    for change in changes:
        field, number = change.split("=")
        *parts, name = field.split(".")
        part = config
        for each in parts:
            part = getattr(part, each)
        setattr(part, name, type(getattr(part, name))(number))
    config.seed = run.seed
    value = run.seed + len(run.variant)
    record = {
        "metric": "pixel_error",
        "value": value,
        "n": 7,
        "seed": run.seed,
        "split": "test",
        "extractor": "pixels",
        "config": "c",
    }
    run_record = {
        "steps": 9,
        "steps_per_second": 2.0,
        "compile_seconds": 1.0,
        "peak_memory_megabytes": 7.0,
        "training_seconds": 30.0,
        "device": "1 x cpu",
        "cores": 2,
        "commit": "abc",
    }
    evaluation = {
        "checkpoint": "latest",
        "step": 9,
        "classifier_test_accuracy": None,
        "records": [record],
    }
    for name, content in (
        ("config", to_dict(config)),
        ("run", run_record),
        ("evaluation_test", evaluation),
    ):
        (run.workdir / f"{name}.json").write_text(json.dumps(content))
    x = np.random.default_rng(run.seed).random((12, 28, 28, 1))
    np.savez(run.workdir / "reconstructions.npz", x=x, x_hat=x[None])
    np.savez(run.workdir / "samples.npz", x=x)


def replace_launcher(monkeypatch):
    """Every training that was started, and those that are to fail."""
    calls, failing = [], set()

    def launch(experiment, run, *words):
        if not words:
            calls.append((run.variant, run.seed))
            if (run.variant, run.seed) in failing:
                raise InputError("it did not go well")
            trained(run)

    monkeypatch.setattr(sweep, "launch", launch)
    return calls, failing


def command(tmp_path, *words):
    folders = {"runs": "runs", "results": "r", "figures": "f"}
    flags = [f"--{name}={tmp_path / folder}" for name, folder in folders.items()]
    return sweep.main(["mnist_reconstruction", *flags, *words])


def values(tmp_path, variant):
    content = json.loads((tmp_path / "r" / "mnist_reconstruction.json").read_text())
    (record,) = [
        one
        for one in content["records"]
        if (one["metric"], one["variant"]) == ("pixel_error", variant)
    ]
    return record["seeds"], record["values"]
