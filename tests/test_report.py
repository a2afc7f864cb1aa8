"""RESULTS.md from results files. The oracle is the text a reader should see."""

import json
import sys
import types

import pytest

from iae_jax.records.record import Trainings, record
from iae_jax.records.references import Reference
from iae_jax.report import main


def records():
    command = "python -m experiments.toy --seeds=2"
    short = Trainings([0, 1], command, [30.0], "1 x cpu, 2 cores", "abc")
    long = short._replace(seconds=[600.0])
    return [
        record("error", "a", [0.25, 0.75], 9, "", short),
        record("error", "b", [3.0, 5.0], 9, "", long),
        record("hidden", "a", [1.0, 1.0], 9, "", short),
        record("captured", "a", [8.0, 8.0], 9, "", short),
    ]


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """experiments/toy.py, and its notes."""
    module = types.ModuleType("experiments.toy", "A toy of the slides.\n\n    command\n")
    module.REFERENCES = {
        "error": Reference(1.0, "lower", "aim"),
        ("captured", "a"): Reference(8.0, "higher", "all"),
    }
    module.SHOWN = ("error", "captured")
    module.__file__ = str(tmp_path / "toy.py")
    (tmp_path / "toy.md").write_text(
        "# A title\n\nWhat the numbers do not say.\n\n## Costs\n\nFew.\n"
    )
    module.table = lambda records: f"| {records[2]['metric']} again |"
    monkeypatch.setitem(sys.modules, "experiments.toy", module)
    return module


def write(tmp_path, content):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "toy.json").write_text(content)
    return [
        f"--results={folder}",
        f"--figures={tmp_path / 'docs'}",
        f"--output={tmp_path / 'RESULTS.md'}",
    ]


def test_a_reader_sees_what_is_worse(tmp_path, toy):
    content = json.dumps({"experiment": "toy", "records": records()})
    flags = write(tmp_path, content)
    assert main(flags) == 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert "## `toy`\n\nA toy of the slides.\n" in text
    assert "| error | a | ≤ 1 (aim) | 0.5 ± 0.35 (2 of 2) | 2 | 9 | 30 s |" in text
    assert "| error | b | ≤ 1 (aim) | 4 ± 1.4 (0 of 2) | 2 | 9 | 10 min |" in text
    assert "| captured | a | ≥ 8 (all) | 8 ± 0 (2 of 2) | 2 | 9 | 30 s |" in text
    assert "| hidden | a" not in text and "\n\n| hidden again |\n\n" in text
    assert "**Worse than the published value or the aim**: `error` of `b`." in text
    assert "\n\nWhat the numbers do not say.\n\n### Costs\n\nFew.\n\n" in text
    assert "A title" not in text
    assert "commit abc; 10 min in all." in text  # 30 s and 600 s, each variant once
    assert text.count("    python -m experiments.toy --seeds=2") == 1
    assert "![toy]" not in text
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "toy.png").write_bytes(b"")
    (tmp_path / "docs" / "toy_curve.png").write_bytes(b"")
    (tmp_path / "docs" / "toy_other.png").write_bytes(b"")
    assert main(flags) == 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert "docs/toy.png)" in text and "docs/toy_curve.png)" in text
    assert text.count("![") == 2
    toy.FIGURES = {"small": ("a",)}
    toy.claims = lambda records: [(f"{records[0]['metric']} is small", True), ("b is", False)]
    (tmp_path / "docs" / "toy_small.png").write_bytes(b"")
    assert main(flags) == 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert text.count("![") == 3 and "docs/toy_small.png)" in text
    assert "- Holds: error is small.\n- **Does not hold**: b is.\n" in text


def test_bad_files_are_one_line(tmp_path, toy, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main([f"--results={empty}"]) == 2
    assert "run an experiment" in capsys.readouterr().err
    flags = write(tmp_path, "{")
    assert main(flags) == 2
    assert "run its experiment again" in capsys.readouterr().err
    for damaged in ("[]", "null", '[{"metric": "a"}]', '["a"]', "{}"):
        text = f'{{"experiment": "toy", "records": {damaged}}}'
        (tmp_path / "results" / "toy.json").write_text(text)
        assert main(flags) == 2
        assert "run its experiment again" in capsys.readouterr().err
    text = json.dumps({"experiment": "absent", "records": records()})
    (tmp_path / "results" / "toy.json").write_text(text)
    assert main(flags) == 2
    assert "has no experiments/absent.py" in capsys.readouterr().err
    assert not (tmp_path / "RESULTS.md").exists()


def test_an_output_that_cannot_be_written_is_one_line(tmp_path, toy, capsys):
    flags = write(tmp_path, json.dumps({"experiment": "toy", "records": records()}))
    assert main([*flags[:2], f"--output={tmp_path / 'nowhere' / 'RESULTS.md'}"]) == 2
    assert "choose another --output" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reference", "values", "met"),
    [
        (Reference(1.0, "lower", "aim"), [0.5, 1.4], True),  # the mean
        (Reference(1.0, "lower", "aim", seeds=1.0), [0.5, 1.4], False),
        (Reference(1.0, "lower", "aim", seeds=0.5), [0.5, 9.0], True),
        (Reference(1.0, "near", "aim", seeds=0.75, tolerance=0.2), [0.9, 1.1, 0.7, 1.2], True),
        (Reference(1.0, "near", "aim", seeds=1.0, tolerance=0.2), [0.9, 1.1, 0.7, 1.2], False),
        # A mean that two misses make.
        (Reference(1.0, "near", "aim", seeds=0.5, tolerance=0.2), [0.0, 2.0], False),
    ],
)
def test_a_reference_is_met_by_the_mean_or_by_a_share_of_seeds(reference, values, met):
    assert reference.met_by(values) is met
