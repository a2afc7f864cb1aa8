"""Random search and its table: ranges, what is drawn, and a row for each run. By hand, and by the
distribution of many draws."""

import csv

import numpy as np
import pytest

from iae_jax.errors import InputError
from iae_jax.records.csv_table import rows_of, write_csv
from iae_jax.records.search_space import combinations, drawn


def test_every_combination():
    assert combinations([]) == [()]
    assert combinations(["a.b=1,2", "c=x"]) == [("a.b=1", "c=x"), ("a.b=2", "c=x")]


def values(changes, field):
    found = [dict(change.split("=") for change in one)[field] for one in changes]
    assert len(found) == len(changes)
    return found


def test_draws_have_their_distributions():
    """Whole numbers with both ends, numbers of a range, magnitudes of a logarithmic one, and the
    values of a grid."""
    grid, ranges = ["turns=a,b,c"], ["code.size=2..5", "r1=-1.5..0.5", "rate=1e-4..1e-2:log"]
    changes = drawn(grid, [*ranges, "width=8..512:log"], 4000, 3)
    assert changes[0][0].startswith("turns=") and len(set(changes)) == 4000
    counts = {one: values(changes, "code.size").count(one) for one in ("2", "3", "4", "5")}
    assert sum(counts.values()) == 4000 and all(abs(n - 1000) < 120 for n in counts.values())
    assert all(abs(values(changes, "turns").count(one) - 1333) < 140 for one in "abc")
    uniform = np.array(values(changes, "r1"), float)
    assert uniform.min() >= -1.5 and uniform.max() <= 0.5 and abs(uniform.mean() + 0.5) < 0.04
    log = np.log10(np.array(values(changes, "rate"), float))
    assert log.min() >= -4 and log.max() <= -2 and abs(log.mean() + 3) < 0.04
    width = np.array(values(changes, "width"), int)
    assert width.min() == 8 and width.max() <= 512 and abs(np.median(width) - 64) < 5
    # Not one of them follows another.
    pairs = np.corrcoef([uniform, log, np.log(width)])
    assert np.abs(pairs - np.eye(3)).max() < 0.06


def test_whole_numbers_below_0_are_as_likely_as_others():
    found = values(drawn([], ["a=-2..1", "b=0..1000000"], 4000, 3), "a")
    assert set(found) == {"-2", "-1", "0", "1"}
    assert all(abs(found.count(one) - 1000) < 120 for one in set(found))


def test_draws_are_reproducible_and_more_of_them_go_on():
    ranges = ["a=0..1000000", "b=0.5..1"]
    ten = drawn([], ranges, 10, 7)
    assert drawn([], ranges, 25, 7)[:10] == ten
    assert not set(drawn([], ranges, 10, 8)) & set(ten)


def test_draws_are_all_different_until_there_are_no_more():
    assert sorted(drawn(["b=x,y"], ["a=1..2"], 4, 0)) == [
        ("b=x", "a=1"), ("b=x", "a=2"), ("b=y", "a=1"), ("b=y", "a=2"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="--random=5 is more than the 4 combinations"):
        drawn(["b=x,y"], ["a=1..2"], 5, 0)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("a", "--range is FIELD=LOW..HIGH"),
        ("=1..2", "--range is FIELD=LOW..HIGH"),
        ("a=1", "--range is FIELD=LOW..HIGH"),
        ("a=1..x", "--range is FIELD=LOW..HIGH"),
        ("a=1..2:linear", "--range is FIELD=LOW..HIGH"),
        ("a=2..1", "goes from a number to a larger one"),
        ("a=0..1:log", "both above 0 with :log"),
        ("a=1..inf", "goes from a number to a larger one"),
        ("a=nan..1", "goes from a number to a larger one"),
        ("run.keep=1..2", "variants do not differ in run.keep: leave it out of --range"),
        ("b=1..2", "have a field twice: b, b"),
    ],
)
def test_a_range_of_another_form_is_refused(axis, message):
    with pytest.raises(InputError, match=message):
        drawn(["b=x,y"], [axis], 1, 0)


def test_nothing_to_draw_from_is_refused():
    with pytest.raises(InputError, match="--random draws from --range and --grid: give one"):
        drawn([], [], 3, 0)


def test_a_row_for_each_run(tmp_path):
    """By hand: a field that one variant has alone, a metric that another lacks."""
    records = [
        {"variant": "vae", "metric": "error", "seeds": [4, 2], "values": [0.5, 0.25]},
        {"variant": "vae", "metric": "speed", "seeds": [4, 2], "values": [7, 8]},
        {"variant": "iae,code.size=3,r1=1e-3", "metric": "error", "seeds": [4], "values": [0.125]},
    ]
    write_csv(tmp_path / "new" / "table.csv", records)
    text = (tmp_path / "new" / "table.csv").read_text()
    assert text.splitlines() == [
        "variant,code.size,r1,seed,error,speed",
        "vae,,,4,0.5,7",
        "vae,,,2,0.25,8",
        "iae,3,1e-3,4,0.125,",
    ]
    assert [row["seed"] for row in csv.DictReader(text.splitlines())] == ["4", "2", "4"]
    assert rows_of([]) == []
