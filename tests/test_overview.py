"""A row of RESULTS.md with several measures of a model, and what the experiments say of theirs.
Oracle: the cells, typed."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from iae_jax.records.experiment import Experiment
from iae_jax.records.overview import overview
from iae_jax.records.record import Trainings, record
from iae_jax.records.references import Headline, Published, Reference

ONE = Trainings([0], "python -m experiments.toy", [30.0], "1 x cpu, 2 cores", "abc")


def rows(headlines, references, **values):
    """The cells of each row. values: of the metrics of a variant."""
    module = ModuleType("experiments.toy", "A toy.")
    module.HEADLINE, module.REFERENCES = headlines, references
    records = [
        record(metric, variant, [value], 9, "", ONE)
        for variant, own in values.items()
        for metric, value in own.items()
    ]
    text = overview([Experiment("toy", records, module)], Path("pages"), Path())
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line[1:-1].split("|")][1:7] for line in lines]


def test_measures_of_a_model_stand_side_by_side():
    best = Published(0.5, "X")
    headlines = [
        Headline("kept; distance; told apart", "kept", name, what, ("distance", "apart"))
        for name, what in (("a", "a teacher"), ("b", ""), ("c", ""))
    ]
    references = {
        ("kept", "a"): Reference(0.75, "higher", "aim", best_known=best),
        ("apart", "a"): Reference(0.625, "lower", "aim"),
        ("distance", "a"): Reference(5.0, "lower", "aim"),
    }
    found = rows(
        headlines,
        references,
        a={"apart": 0.875, "kept": 0.9, "distance": 4.0},
        b={"kept": 0.8, "distance": 7.0, "apart": 0.6},
        c={"kept": 0.7, "apart": 0.8},
    )
    assert found == [
        ["kept; distance; told apart", "a", "≥ 0.75 (aim); ≤ 5 (aim); ≤ 0.625 (aim)",
         "0.9 (1); 4 (1); **0.875 (1)**", "0.5 (X)", "a teacher"],
        ["", "b", "", "0.8 (1); 7 (1); 0.6 (1)", "", ""],
        ["", "c", "", "0.7 (1); –; 0.8 (1)", "", ""],
    ]  # fmt: skip


def test_what_has_no_aim_is_a_dash_beside_one_that_has():
    headline = Headline("x; y", "x", "a", beside=("y",))
    (row,) = rows([headline], {"y": Reference(2.0, "lower", "aim")}, a={"x": 3.0, "y": 1.0})
    assert row[2:4] == ["–; ≤ 2 (aim)", "3 (1); 1 (1)"]


# (metric, variant) -> the aim of the present issues, and what is published beside it.
AIMS = {
    "semisupervised": {
        ("test_error", "iae_best/mnist/100"): (0.80, 1.40),
        ("test_error", "iae_faithful/mnist/100"): (1.40, 1.40),
        ("test_error", "iae_plain/mnist/100"): (1.90, 1.40),
        ("test_error", "improved_gan/mnist/100"): (1.10, 0.93),
        ("test_error", "aae/mnist/100"): (5.0, 1.90),
        ("test_error", "full/mnist/all"): (0.45, None),
        ("test_error", "iae_best/svhn_standin/1000"): (12.0, None),
    },
    "svhn_reconstruction": {
        ("label_agreement", "global_75_local_1000/small/standin"): (0.85, None),
        ("sample_ratio", "deterministic_150/small/standin/learned_prior"): (4.0, None),
    },
    "celeba_reconstruction": {
        ("pixel_error_ratio", "deterministic_150/small/standin"): (0.36, None),
        ("sample_ratio", "global_50_local_1000/small/standin/learned_prior"): (2.0, None),
    },
    "mnist_reconstruction": {
        ("label_agreement", "deterministic_20/learned_prior"): (0.98, None),
        ("frechet_sample", "global_10_local_100"): (15.0, None),
        ("two_sample_accuracy", "global_10_local_100/learned_prior"): (0.60, None),
    },
    "scaling": {("cost_of_eight", "ali"): (5.0, None)},
}


@pytest.mark.parametrize("name", AIMS)
def test_aims_are_those_of_today(name):
    """An aim that is missed stays."""
    references = importlib.import_module(f"experiments.{name}").REFERENCES
    for key, (value, published) in AIMS[name].items():
        found = references[key]
        assert (found.value, found.published and found.published.value) == (value, published)
