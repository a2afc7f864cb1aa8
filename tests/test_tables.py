"""Tables for other programs. Oracles: Python's csv module beside the JSON of the records, and the
rules of LaTeX."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from iae_jax.files.numbers import mean_and_sd
from iae_jax.records.sampling_error import SHARES
from iae_jax.records.tables import Table, latex, markdown
from iae_jax.report import main

REPOSITORY = Path(__file__).parent.parent


def run(monkeypatch, capsys, *words):
    monkeypatch.chdir(REPOSITORY)
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_csv_has_every_value_of_every_record(monkeypatch, capsys):
    rows = list(csv.DictReader(io.StringIO(run(monkeypatch, capsys, "--format=csv"))))
    found = {}
    for row in rows:
        found.setdefault((row["experiment"], row["metric"], row["variant"]), []).append(row)
    expected = {}
    for path in (REPOSITORY / "results").glob("*.json"):
        for record in json.loads(path.read_text())["records"]:
            expected[path.stem, record["metric"], record["variant"]] = record
    assert found.keys() == expected.keys() and len(expected) > 1000
    for name, record in expected.items():
        own = found[name]
        assert [float(row["value"]) for row in own] == record["values"]
        assert [int(row["seed"]) for row in own] == record["seeds"]
        intervals = record.get("intervals") or [None] * len(own)
        for row, interval in zip(own, intervals, strict=True):
            low_high = None if row["low"] == "" else [float(row["low"]), float(row["high"])]
            if record["metric"] in SHARES:  # whose intervals test_results.py has
                low, high = low_high
                assert low <= float(row["value"]) <= high
            else:
                assert low_high == interval
            assert float(row["mean"]) == record["mean"]
            assert (None if row["sd"] == "" else float(row["sd"])) == record["sd"]
            for field in ("command", "device", "commit", "date", "extractor"):
                assert row[field] == record[field]
            assert int(row["n_examples"]) == record["n_examples"]
        seconds = [float(row["seconds"]) for row in own]
        if len(record["seconds"]) == len(own):
            assert seconds == record["seconds"]
        else:  # trained at once
            assert set(seconds) == {sum(record["seconds"])}


def test_rows_can_be_chosen_and_written_to_a_file(monkeypatch, tmp_path, capsys):
    path = tmp_path / "table.csv"
    words = ["elbo_grid", "semisupervised", "--metrics=test_error,elbo_gap", "--format=csv"]
    assert run(monkeypatch, capsys, *words, f"--output={path}") == ""
    rows = list(csv.DictReader(path.open()))
    assert {row["metric"] for row in rows} == {"test_error", "elbo_gap"}
    assert {row["experiment"] for row in rows} == {"elbo_grid", "semisupervised"}


def test_latex_has_the_rules_and_one_cell_a_column(monkeypatch, capsys):
    text = run(monkeypatch, capsys, "semisupervised", "--format=latex")
    lines = text.splitlines()
    columns = re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", lines[0])[1]
    assert (lines[1], lines[3], *lines[-2:]) == (
        "\\toprule", "\\midrule", "\\bottomrule", "\\end{tabular}",
    )  # fmt: skip
    for row in [lines[2], *lines[4:-2]]:
        assert row.endswith(" \\\\") and len(row.split(" & ")) == len(columns)
    assert text.isascii() and not re.search(r"(?<!\\)[_%#]", text)
    assert "iae\\_best/mnist/100 & test\\_error & $\\leq$ 0.8 (aim); published 1.4 (slides)" in text
    assert " & $0.910 \\pm 0.081$ & $5$ \\\\\n" in text


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("a_b", r"a\_b"),
        ("50 %", r"50 \%"),
        (r"C:\x{1}", r"C:\textbackslash{}x\{1\}"),
        ("~^<>|", r"\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}"),
        ("≥ 3 & $#", r"$\geq$ 3 \& \$\#"),
        ("-1.5", "$-1.5$"),
        ("-1.5 ± 0.2", r"$-1.5 \pm 0.2$"),
        ("1.5e-07", r"$1.5 \cdot 10^{-7}$"),
        ("1e+10", r"$1 \cdot 10^{10}$"),
        ("25 ± 0 (10)", r"25 $\pm$ 0 (10)"),
        ("classifier/1e", "classifier/1e"),
    ],
)
def test_latex_escapes_text_and_sets_numbers(cell, written):
    assert latex(Table(("x",), [(cell,)])).splitlines()[4] == written + r" \\"


def test_markdown_keeps_bars_within_their_cells():
    table = Table(("name", "n"), [("p(x|z)", "3")], numbers=("n",))
    assert markdown(table) == "| name | n |\n|---|--:|\n| p(x\\|z) | 3 |"


@pytest.mark.parametrize(
    ("mean", "sd", "text"),
    [
        (0.5477666, 0.0060285, "0.5478 ± 0.0060"),
        (1261.4, 223.7, "1261 ± 224"),
        (-1.4079, 0.00121, "-1.4079 ± 0.0012"),
        (10.63, 3.04, "10.6 ± 3.0"),
        (25.0, 0.0, "25 ± 0"),
        (0.05879, 3.6e-6, "0.05879 ± 3.6e-06"),
        (0.5, 1e-17, "0.5 ± 1e-17"),
        (0.123456, None, "0.1235"),
        (40.0, None, "40"),
    ],
)
def test_a_mean_has_the_digits_that_its_sd_leaves(mean, sd, text):
    assert mean_and_sd(mean, sd) == text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "nothing is neither a folder nor in results"),
        (["elbo_grid", "tests"], "name one kind"),
        (["elbo_grid", "--metrics=test_error"], "no record has test_error"),
        (["--metrics=elbo_gap"], "name a --format"),
        (["elbo_grid", "--check"], "leave words and --format out"),
        (["--format=html"], "invalid choice"),
        (["--format=csv", "--output=nowhere/x.csv"], "choose another --output"),
    ],
)
def test_bad_words_are_one_line(monkeypatch, capsys, words, message):
    monkeypatch.chdir(REPOSITORY)
    assert main(words) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and not captured.out
