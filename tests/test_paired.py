"""Variants compared seed by seed. Oracles: the t test of three differences by hand."""

import math

import pytest

from iae_jax.records.paired import Difference, all_of, compared, difference

OURS = {1: 1.0, 2: 2.0, 4: 4.0, 9: 100.0}
THEIRS = {1: 3.0, 2: 3.0, 4: 7.0, 5: 0.0}


def records(**variants):
    return [
        {"metric": "error", "variant": name, "seeds": list(own), "values": list(own.values())}
        for name, own in variants.items()
    ]


def test_differences_are_of_common_seeds():
    """2, 1 and 3: mean 2, standard error 1 / sqrt(3); Student's quantile of 2 degrees is 4.3027,
    and his distribution there 1/2 + t / (2 sqrt(t^2 + 2))."""
    found = difference(OURS, THEIRS)
    reach, t = 4.302653 / math.sqrt(3), 2 * math.sqrt(3)
    p = 1 - t / math.sqrt(t**2 + 2)
    assert found == pytest.approx((2.0, 2 - reach, 2 + reach, p, 3), abs=1e-5)
    assert found.text == "difference 2, 95 % interval -0.484 to 4.48, p 0.074, 3 seeds"


def test_one_seed_and_no_spread():
    (mean, low, high, p, n), words = difference({3: 1.0}, {3: 0.5}), "difference -0.5, one seed"
    assert (mean, low, high, n) == (-0.5, -math.inf, math.inf, 1) and math.isnan(p)
    assert difference({3: 1.0}, {3: 0.5}).text == words
    assert difference({1: 1.0, 2: 3.0}, {1: 3.0, 2: 5.0}) == Difference(2.0, 2.0, 2.0, 0.0, 2)
    assert difference({1: 1.0}, {2: 3.0}) is None


@pytest.mark.parametrize(
    ("better", "margin", "holds"),
    [
        ("lower", 0.0, None),  # the interval of 2 has 0 in it
        ("lower", 0.5, True),  # and nothing below -0.5
        ("lower", -4.4, None),
        ("lower", -4.5, False),  # and nothing above 4.5
        ("higher", 0.0, None),
        ("higher", -0.5, False),
        ("higher", 4.5, True),
    ],
)
def test_a_claim_holds_where_its_whole_interval_does(better, margin, holds):
    found = compared(
        records(ours=OURS, theirs=THEIRS), "error", "ours", "theirs", "less", better, margin
    )
    ((text, outcome),) = found
    assert outcome is holds and text.startswith("less: 26.75 and 3.25 (difference ")


def test_what_is_not_measured_is_not_claimed():
    assert compared(records(ours=OURS), "error", "ours", "theirs", "less") == []
    assert compared(records(ours={1: 1.0}, theirs={2: 1.0}), "error", "ours", "theirs", "") == []


def test_of_several_the_worst_decides():
    assert all_of([True, True]) is True
    assert all_of([True, None]) is None
    assert all_of([None, False, True]) is False
