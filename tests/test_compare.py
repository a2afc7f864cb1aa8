"""Two evaluations side by side, and what is refused."""

import json

import pytest

from iae_jax import compare

RECORD = {
    "metric": "pixel_error",
    "value": 0.25,
    "n": 100,
    "seed": 0,
    "split": "test",
    "extractor": "pixels",
    "config": "aaa",
}
OTHERS = [
    {**RECORD, "metric": "frechet_sample", "value": 3.0, "extractor": "judge/mnist/1"},
    {**RECORD, "metric": "code_norm", "value": 4.0, "extractor": "code"},
]


def evaluated(folder, *records, data="mnist test"):
    folder.mkdir()
    content = {"data": data, "checkpoint": "latest", "step": 1, "records": list(records)}
    (folder / "evaluation_test.json").write_text(json.dumps(content))
    return folder


def test_what_both_have_is_shown_with_its_difference(tmp_path, capsys):
    one = evaluated(tmp_path / "one", RECORD, *OTHERS)
    lost = {**OTHERS[0], "value": None, "config": "bbb"}
    other = evaluated(tmp_path / "two", {**RECORD, "value": 0.2, "config": "bbb"}, lost)
    assert compare.main([str(one), str(other / "evaluation_test.json")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["config", "aaa", "bbb", "difference"],
        ["step", "1", "1"],
        ["pixel_error", "0.2500", "0.2000", "-0.0500"],
        ["frechet_sample", "3.0000", "–", "–"],
        ["only", "in", "one:", "code_norm"],
    ]


@pytest.mark.parametrize(
    "field, value",
    [
        ("extractor", "judge/mnist/2"),
        ("n", 99),
        ("split", "validation"),
    ],
)
def test_what_was_not_measured_alike_is_refused(tmp_path, capsys, field, value):
    one = evaluated(tmp_path / "one", RECORD, OTHERS[0])
    other = evaluated(tmp_path / "two", RECORD, {**OTHERS[0], field: value})
    assert compare.main([str(one), str(other)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: frechet_sample cannot be compared: its {field}")
    assert captured.err.count("\n") == 1 and not captured.out


def test_other_data_are_refused(tmp_path, capsys):
    one = evaluated(tmp_path / "one", RECORD)
    other = evaluated(tmp_path / "two", RECORD, data="fashion_mnist test")
    assert compare.main([str(one), str(other)]) == 2
    assert "its data is 'mnist test' in one and 'fashion_mnist test'" in capsys.readouterr().err


def test_bad_input_is_one_line(tmp_path, capsys):
    one = evaluated(tmp_path / "one", RECORD)
    other = evaluated(tmp_path / "two", OTHERS[0])
    (tmp_path / "list.json").write_text("[]")
    half = evaluated(tmp_path / "half", {"metric": "pixel_error", "value": 1.0})
    for words, message in (
        ([one, other], "no metric in common"),
        ([one], "required"),
        ([one, tmp_path / "none"], "is not there"),
        ([one, tmp_path / "list.json"], "workdir"),
        ([one, half], "workdir"),
    ):
        assert compare.main([str(word) for word in words]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_an_evaluation_of_several_seeds_is_refused(tmp_path, capsys):
    """Of which one would be shown as if it were all."""
    several = evaluated(tmp_path / "two_seeds", RECORD, {**RECORD, "seed": 1, "value": 9.0})
    other = evaluated(tmp_path / "other", RECORD)
    assert compare.main([str(several), str(other)]) == 2
    assert "two_seeds is of several seeds" in capsys.readouterr().err
