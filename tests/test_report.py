"""RESULTS.md and an experiment's page from results files. The oracle is the text a reader should
see."""

import importlib
import json
import sys
import types
from pathlib import Path

import pytest

from iae_jax.records.experiment_module import declared
from iae_jax.records.record import Trainings, record
from iae_jax.records.references import Headline, Published, Reference
from iae_jax.report import main

REPOSITORY = Path(__file__).parent.parent


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
        f"--pages={tmp_path / 'docs' / 'results'}",
    ]


def test_what_is_committed_is_what_the_records_say(monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    status = main(["--check"])
    assert (status, capsys.readouterr().err) == (0, "")
    lines = (REPOSITORY / "RESULTS.md").read_text().splitlines()
    assert len(lines) <= 60  # one screen
    for path in (REPOSITORY / "results").glob("*.json"):
        assert f"| [{path.stem}](docs/results/{path.stem}.md) |" in "\n".join(lines)
        module = importlib.import_module(f"experiments.{path.stem}")
        measured = json.loads(path.read_text())["records"]
        for row in module.HEADLINE:  # measured, or could be
            assert {row.metric, *row.beside} <= {one["metric"] for one in measured}
            names = {one["variant"] for one in measured} | {*declared(module, "VARIANTS", ())}
            known = getattr(module, "REFERENCES", {})
            assert row.variant in names or (row.metric, row.variant) in known


def test_a_reader_sees_what_is_worse(tmp_path, toy):
    flags = write(tmp_path, json.dumps({"experiment": "toy", "records": records()}))
    page = tmp_path / "docs" / "results" / "toy.md"
    assert main(flags) == 0
    text = page.read_text()
    assert text.startswith("# `toy`\n\nA toy of the slides.\n")
    assert "| error | a | ≤ 1 (aim) | 0.5 (2 of 2) | 2 | 9 | 30 s |" in text
    assert "| error | b | ≤ 1 (aim) | 4 (0 of 2) | 2 | 9 | 10 min |" in text
    assert "| captured | a | ≥ 8 (all) | 8 (2 of 2) | 2 | 9 | 30 s |" in text
    shown = text[: text.index("## Every value")]
    assert "| hidden | a" not in shown and "\n\n| hidden again |\n\n" in shown
    assert "**Worse than the published value or the aim**: `error` of `b`." in text
    assert "\n\nWhat the numbers do not say.\n\n### Costs\n\nFew.\n\n" in text
    assert "A title" not in text
    assert "commit abc; 10 min in all." in text  # 30 s and 600 s, each variant once
    assert shown.count("    python -m experiments.toy --seeds=2") == 1
    assert "![" not in text
    (tmp_path / "docs" / "toy.png").write_bytes(b"")
    (tmp_path / "docs" / "toy_curve.png").write_bytes(b"")
    (tmp_path / "docs" / "toy_other.png").write_bytes(b"")
    assert main(flags) == 0
    text = page.read_text()
    assert "(../toy.png)" in text and "(../toy_curve.png)" in text
    assert text.count("![") == 2

    def draw(path, runs):
        """What it
        shows.

        runs: more.
        """

    toy.draw = draw
    toy.FIGURES = {"small": ("a",)}
    claims = [("b is", False), ("c is", None)]
    toy.claims = lambda records: [(f"{records[0]['metric']} is small", True), *claims]
    (tmp_path / "docs" / "toy_small.png").write_bytes(b"")
    assert main(flags) == 0
    text = page.read_text()
    assert text.count("![") == 3
    assert "\n\n![What it shows.](../toy.png)\n\nWhat it shows.\n\n" in text
    assert "![A toy of the slides](../toy_curve.png)" in text
    assert "![small: What it shows.](../toy_small.png)" in text
    assert "- Holds: error is small.\n- **Does not hold**: b is.\n- Not decided: c is.\n" in text


def test_every_value_is_on_the_page_with_its_runs(tmp_path, toy):
    content = records()
    content[1]["intervals"] = [[2.5, 3.25], [4.75, 5.5]]
    flags = write(tmp_path, json.dumps({"experiment": "toy", "records": content}))
    assert main(flags) == 0
    text = (tmp_path / "docs" / "results" / "toy.md").read_text()
    first, second, third = text[text.index("## Every value") :].split("\n### ")[1:]
    # `a` stands on both sides of `b`, which has other runs.
    assert first.startswith("`a`\n\n30 s; 1 x cpu, 2 cores; ") and "; commit abc; by\n" in first
    assert "| error | 0.5 | 0.25 | 0.75 | 9 |  |" in first
    assert second.startswith("`b`\n\n600 s; ")
    assert "| error | 4 | 3 [2.5, 3.25] | 5 [4.75, 5.5] | 9 |  |" in second
    assert "| hidden | 1 | 1 | 1 | 9 |  |" in third


def test_a_screen_has_the_headlines(tmp_path, toy):
    toy.REFERENCES[("error", "a")] = Reference(
        2.0,
        "lower",
        "aim",
        published=Published(0.4, "slides"),
        best_known=Published(0.1, "X", 0.02),
    )
    toy.HEADLINE = (
        Headline("error (%)", "error", "a", "a teacher"),
        Headline("error (%)", "error", "b"),
        Headline("kept (share)", "captured", "a"),
        Headline("not measured", "captured", "b"),
    )
    flags = write(tmp_path, json.dumps({"experiment": "toy", "records": records()}))
    assert main(flags) == 0
    text = (tmp_path / "RESULTS.md").read_text()
    command = "`python -m experiments.toy --seeds=2`"
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert rows == [
        # It meets the aim, not what is published.
        "| [toy](docs/results/toy.md) | error (%) | a | ≤ 2 (aim); published 0.4 (slides) "
        f"| **0.5 (2)** | 0.1 ± 0.02 (X) | a teacher | {command} |",
        f"|  |  | b | ≤ 1 (aim) | **4 (2)** |  |  | {command} |",
        f"|  | kept (share) | a | ≥ 8 (all) | 8 (2) |  |  | {command} |",
    ]
    assert "Of all 3 values that have a published value or an aim" in text
    assert text.endswith("do not meet it: toy 2 of 3.\n")


@pytest.mark.parametrize(
    ("seeds", "variants", "command"),
    [
        ([4, 5], ("a",), "python -m iae_jax.sweep toy --variants=a --seeds=2"),
        ([5, 6], ("a",), "python -m iae_jax.launch --config=experiments/toy.py:a"),  # other seeds
        ([4, 5], ("b",), "python -m iae_jax.launch --config=experiments/toy.py:a"),  # a grid's
    ],
)
def test_a_launch_is_repeated_by_a_sweep(tmp_path, toy, seeds, variants, command):
    launch = "python -m iae_jax.launch --config=experiments/toy.py:a"
    one = record(
        "error", "a", [1.0, 2.0], 9, "", Trainings(seeds, launch, [1.0, 2.0], "cpu", "abc")
    )
    toy.HEADLINE, toy.VARIANTS, toy.FIRST_SEED = (Headline("error", "error", "a"),), variants, 4
    content = {"experiment": "toy", "records": [one, *records()[1:]]}
    assert main(write(tmp_path, json.dumps(content))) == 0
    assert f"| `{command}` |" in (tmp_path / "RESULTS.md").read_text()


def test_a_headline_has_its_controls_beside_it(tmp_path, toy):
    runs = Trainings([0, 1], "python -m experiments.toy --seeds=2", [30.0], "cpu", "abc")
    own = [
        record("error_pca", "a", [0.5, 0.75], 9, "", runs),
        record("error_random_pair", "a", [7.0, 8.0], 9, "", runs),
        record("error_pca", "b", [9.0, 9.0], 9, "", runs),
        record("error_pca_second", "a", [2.0, 2.0], 9, "", runs),
    ]
    toy.HEADLINE = (Headline("error (%)", "error", "a"), Headline("error (%)", "error", "b"))
    content = {"experiment": "toy", "records": [*records(), *own]}
    assert main(write(tmp_path, json.dumps(content))) == 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert "| 0.5 (2); without a model: PCA of the same size 0.625, a random pair 7.5 |" in text
    assert "| **4 (2)**; without a model: PCA of the same size 9 |" in text


def test_headlines_that_no_record_has_are_one_line(tmp_path, toy, capsys):
    toy.HEADLINE = (Headline("error (%)", "eror", "a"),)
    flags = write(tmp_path, json.dumps({"experiment": "toy", "records": records()}))
    assert main(flags) == 2
    assert "no row of HEADLINE in experiments/toy.py has a record" in capsys.readouterr().err


def test_check_sees_what_is_old_or_left_over(tmp_path, toy, capsys):
    flags = write(tmp_path, json.dumps({"experiment": "toy", "records": records()}))
    page = tmp_path / "docs" / "results" / "toy.md"
    assert main([*flags, "--check"]) == 2  # there is none yet
    assert not page.exists() and not (tmp_path / "RESULTS.md").exists()
    assert main(flags) == 0 and main([*flags, "--check"]) == 0
    text = page.read_text()
    page.write_text(text.replace("0.25", "0.20"))
    capsys.readouterr()
    assert main([*flags, "--check"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {page} is not up to date") and error.count("\n") == 1
    page.write_text(text)
    (page.parent / "gone.md").write_text("")
    assert main([*flags, "--check"]) == 2
    assert "gone.md has no results file: remove it" in capsys.readouterr().err


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
    assert main([*flags, f"--output={tmp_path / 'nowhere' / 'RESULTS.md'}"]) == 2
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


def test_records_of_a_config_of_ones_own_are_a_table(tmp_path, capsys):
    (tmp_path / "mine.json").write_text(json.dumps({"experiment": "mine", "records": records()}))
    assert main(["mine", f"--results={tmp_path}", "--metrics=error"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 2 and " 0.5 " in rows[0]
