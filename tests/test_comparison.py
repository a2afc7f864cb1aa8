"""Finished runs in one table and on one page. Oracles: the numbers written to the runs' files, and
Python's parsers of CSV and HTML."""

import base64
import csv
import html.parser
import io
import json

import pytest

from iae_jax.report import main
from iae_jax.runs.config import Config, to_dict

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)


def workdir(folder, values, seed=0, data="mnist test", step=5, **fields):
    """A run that has measured values, by metric."""
    folder.mkdir(parents=True)
    records = [
        {"metric": metric, "value": value, "n": 100, "seed": seed, "split": "test", "extractor": ""}
        for metric, value in values.items()
    ]
    content = {"data": data, "checkpoint": "latest", "step": step, "records": records}
    (folder / "evaluation_test.json").write_text(json.dumps(content))
    config = to_dict(Config(seed=seed)) | fields
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "run.json").write_text(json.dumps({"training_seconds": 60.0 + seed, "commit": "abc"}))
    return folder


@pytest.fixture
def runs(tmp_path):
    """A model of two seeds, and one of another batch size that measures more."""
    workdir(tmp_path / "a0", {"error": 0.25, "spread": 3.0})
    workdir(tmp_path / "a1", {"error": 0.75, "spread": 5.0}, seed=1)
    workdir(tmp_path / "b", {"error": 1e-3, "more": None}, seed=7, batch_size=7)
    return tmp_path


def report(folder, *words, columns=("a0,a1", "b")):
    names = [",".join(str(folder / one) for one in column.split(",")) for column in columns]
    return main([*names, f"--page={folder / 'page.html'}", *words]), names


def test_models_side_by_side(runs, capsys):
    status, (a, b) = report(runs)
    assert status == 0
    batch_size = Config().batch_size
    assert capsys.readouterr().out.splitlines() == [
        f"| metric | {a} | {b} | n | measured in |",
        "|---|--:|--:|--:|---|",
        f"| batch_size | {batch_size} | 7 |  |  |",
        "| error | 0.5 (2) | 0.001 | 100 |  |",
        "| spread | 4 (2) | – | 100 |  |",
        "| more | – | – | 100 |  |",
        "| training_seconds | 60.5 (2) | 67 |  |  |",
    ]


def test_steps_are_shown_where_they_differ_and_seeds_of_one_run_are_a_mean(runs, capsys):
    workdir(runs / "late", {"error": 0.5}, step=9)
    file = workdir(runs / "two", {"error": 1.0}) / "evaluation_test.json"
    content = json.loads(file.read_text())
    content["records"] += [content["records"][0] | {"seed": 1, "value": 3.0}]
    file.write_text(json.dumps(content))
    status, _ = report(runs, columns=("late", "two"))
    assert status == 0
    assert capsys.readouterr().out.splitlines()[2:4] == [
        "| measured at step | 9 | 5 |  |  |",
        "| error | 0.5 | 2 (2) | 100 |  |",
    ]


def test_a_measurement_before_the_last_step_is_said(runs, capsys):
    (runs / "a1" / "run.json").write_text(json.dumps({"steps": 60, "commit": "abc"}))
    status, (a, b) = report(runs, "--metrics=error")
    captured = capsys.readouterr()
    assert status == 0
    assert captured.out.splitlines()[2:] == [
        "| measured at step | 5 | 5 |  |  |",
        "| error | 0.5 (2) | 0.001 | 100 |  |",
    ]
    assert f"{runs / 'a1'} was measured at step 5, and has 60" in captured.err


def test_a_folder_of_runs_is_a_column_for_each_model(runs, capsys):
    status, (a, b) = report(runs, "--metrics=error", columns=("a0,a1", "b"))
    expected = capsys.readouterr().out
    assert main([str(runs), "--metrics=error", f"--page={runs / 'page.html'}"]) == status == 0
    assert capsys.readouterr().out == expected
    (runs / "empty").mkdir()
    assert report(runs, columns=("empty",))[0] == 2
    assert "there is no evaluated run in" in capsys.readouterr().err


def test_csv_and_latex_of_runs(runs, capsys):
    status, (a, b) = report(runs, "--format=csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    found = [(row["run"], row["metric"], row["seed"], row["value"]) for row in rows]
    assert status == 0 and found == [
        (a, "error", "0", "0.25"),
        (a, "spread", "0", "3.0"),
        (a, "error", "1", "0.75"),
        (a, "spread", "1", "5.0"),
        (b, "error", "7", "0.001"),
        (b, "more", "7", ""),
    ]
    assert {row["data"] for row in rows} == {"mnist test"} and {row["n"] for row in rows} == {"100"}
    assert report(runs, "--format=latex", "--metrics=error")[0] == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrl}" and len(lines) == 7
    assert lines[4] == r"error & 0.5 (2) & $0.001$ & $100$ &  \\"


class Parsed(html.parser.HTMLParser):
    """Tags, and what they refer to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.refers, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.refers += [value for name, value in attributes if name in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_one_file_with_the_pictures(runs, capsys):
    (runs / "a1" / "figures").mkdir()
    for name in ("figures/step_0000005.png", "samples.png"):
        (runs / "a1" / name).write_bytes(PIXEL)
    (runs / "a1" / "figures" / "step_0000001.png").write_bytes(b"older")
    _, (a, _) = report(runs)
    text = (runs / "page.html").read_text()
    page = Parsed(text)
    assert len(page.refers) == page.tags.count("img") == 2
    for source in page.refers:  # nothing is loaded from elsewhere
        kind, _, encoded = source.partition(",")
        assert kind == "data:image/png;base64" and base64.b64decode(encoded) == PIXEL
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "url(" not in text and "@import" not in text
    assert {"0.5 (2)", a, "in training: figures/step_0000005.png"} <= set(page.text)
    assert page.text.count("There are no pictures in this folder.") == 2
    assert str(runs / "page.html") in capsys.readouterr().err
    (runs / "b").rename(runs / "<b>")
    assert report(runs, columns=("a0", "<b>"))[0] == 0  # the page is written anew
    assert "<b>" not in (runs / "page.html").read_text()


def test_another_file_is_not_overwritten(runs, capsys):
    (runs / "page.html").write_text("<p>mine</p>")
    assert report(runs)[0] == 2
    assert "is no page of this command: choose another --page" in capsys.readouterr().err
    assert (runs / "page.html").read_text() == "<p>mine</p>"


def test_what_cannot_be_compared_is_one_line(runs, capsys):
    workdir(runs / "c", {"error": 1.0}, data="digits test")
    workdir(runs / "again", {"error": 1.0})
    (runs / "none").mkdir()
    damaged = workdir(runs / "damaged", {"error": 1.0}) / "evaluation_test.json"
    damaged.write_text(damaged.read_text().replace('"seed"', '"sed"'))
    for columns, words, message in (
        (("a0", "c"), (), "error cannot be compared: its data is 'mnist test' in"),
        (("a0,b",), (), "different configs: give each a column of its own"),
        (("a0,again",), (), "a seed is there twice"),
        (("a0", "a0"), (), "a run is there twice"),
        (("none",), (), "run the launcher with --mode=evaluate --split=test first"),
        (("damaged",), (), "is damaged: evaluate the run again"),
        (("a0",), ("--metrics=erorr",), "no run has erorr: there are error, spread"),
        (("a0",), ("--split=validation",), "evaluation_validation.json is not there"),
        (("a0",), ("--page=nowhere/x.html",), "choose another --page"),
        (("a0",), ("--output=nowhere/x.md",), "no folder nowhere: choose another --output"),
    ):
        assert report(runs, *words, columns=columns)[0] == 2
        captured = capsys.readouterr()
        assert message in captured.err and captured.err.count("\n") == 1 and not captured.out
        assert not (runs / "page.html").exists()
