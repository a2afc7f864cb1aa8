"""What the soak test counts, for states and metrics logs whose differences are known."""

import json

import numpy as np
import pytest

from experiments.soak import bits_lost, lines_lost, wait_until


def test_bits_are_counted():
    one = [np.array([1.0, -0.0, 3.0], np.float32), np.array([7, 8], np.int32)]
    other = [array.copy() for array in one]
    assert bits_lost(one, other) == 0
    other[0][1] = 0.0  # the sign, which is equal as a number
    assert bits_lost(one, other) == 1
    other[1][0] = 8  # 0111 and 1000
    assert bits_lost(one, other) == 5
    with pytest.raises(ValueError, match="shorter"):
        bits_lost(one, other[:1])


@pytest.mark.parametrize(
    ("found", "lost"),
    [([1, 2, 3], 0), ([1, 3], 1), ([1, 2, 2, 3], 1), ([1, 2, 2], 2), ([], 3), ([1, 2, 3, 4], 1)],
)
def test_lines_are_counted_whatever_their_seconds(tmp_path, found, lost):
    for name, steps in (("found", found), ("expected", [1, 2, 3])):
        lines = (json.dumps({"step": step, "seconds": len(name)}) + "\n" for step in steps)
        (tmp_path / name).write_text("".join(lines))
    assert lines_lost(tmp_path / "found", tmp_path / "expected") == lost


def test_waiting_ends_with_whether_it_was_seen():
    answers = iter([False, False, True])
    assert wait_until(lambda: next(answers), 60.0)
    assert not wait_until(lambda: False, 0.01)
