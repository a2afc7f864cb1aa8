"""Patterns that find labels in the names of files, matched in another process."""

import re
import resource

import pytest
from image_folders import IMAGES, opened, save

from iae_jax.data import label_pattern
from iae_jax.data.label_pattern import matches
from iae_jax.errors import InputError

TEXTS = ["été_7.png", "a_12.png", "12", "x_\udcff_3", ""]


@pytest.mark.parametrize("pattern", [r"_(\d+)", r"(\w+)_", r"(?<=_)(\d)(?=\.)", r"x(y)?", "(.)$"])
def test_a_pattern_matches_what_re_does(pattern):
    found = [re.search(pattern, text) for text in TEXTS]
    assert matches(TEXTS, pattern) == [one.group(1) or "" if one else "" for one in found]


def test_a_pattern_of_endless_time_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(label_pattern, "CPU_SECONDS", 1)
    save(tmp_path / f"{'a' * 40}.png", IMAGES[0])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(
        InputError, match="takes more than 1 s of processor time on 1 names"
    ) as error:
        opened(tmp_path, pattern="^((a+)+)_")
    assert "\n" not in str(error.value)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 3  # the clock would stop it after a minute


@pytest.mark.parametrize(
    "pattern", ["((a{999}){999}){999}", "((((" * 2000, "(a)" * 30 + "{9999999999}"]
)
def test_patterns_that_are_large_are_refused_or_found(pattern):
    """None takes the memory of this machine."""
    try:
        assert matches(["aaa"], pattern) == [""]
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise MemoryError", "cannot be matched (more than 2048 MB)"),
        ("raise SystemExit('a\\nb is broken')", "cannot be matched (b is broken)"),
        ("raise SystemExit(3)", "cannot be matched (it says nothing)"),
        ("import os; os.kill(os.getpid(), 9)", "takes more than 2 s of processor time"),
    ],
)
def test_a_matcher_that_fails_says_why(monkeypatch, program, why):
    monkeypatch.setattr(label_pattern, "_CHILD", program)
    with pytest.raises(InputError) as error:
        matches(["aaa"], "(a)")
    assert why in str(error.value) and "\n" not in str(error.value)


def test_a_matcher_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setattr(label_pattern.sys, "executable", "/dev/null/python")
    with pytest.raises(InputError, match="cannot start /dev/null/python.*data.labels"):
        matches(["aaa"], "(a)")
