"""The page of several runs: its table, curves, links and size. Oracles: the runs' own files."""

import json
import re

import pytest
from test_comparison import PIXEL, workdir
from test_run_page import Parsed

from iae_jax.files.chart import FRAME
from iae_jax.records import runs_page
from iae_jax.report import main


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A sweep of two models: of two seeds, and of one that has a page of its own."""
    monkeypatch.chdir(tmp_path)
    a0 = workdir(tmp_path / "sweep/wide/0-ab", {"pixel_error": 0.25, "spread": 3.0})
    a1 = workdir(tmp_path / "sweep/wide/1-ab", {"pixel_error": 0.75, "spread": 5.0}, seed=1)
    b = workdir(tmp_path / "sweep/<b>/7-cd", {"pixel_error": 1e-3}, seed=7, batch_size=7)
    for path, values in ((a0, (4, 2)), (a1, (3, 1)), (b, (2, 0))):
        lines = [
            {"step": step, "reconstruction": 9 * v, "validation_pixel_error": v, "gradient_norm": 1}
            for step, v in zip((50, 100), values, strict=True)
        ]
        (path / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    (b / "page.html").write_text("a page")
    return tmp_path


def page_of(runs, *words):
    assert main(["sweep", *words]) == 0
    return Parsed((runs / "report.html").read_text(encoding="utf-8"))


def test_a_row_for_each_model(runs, capsys):
    page = page_of(runs, "--page")
    rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert rows[0] == ["model", "runs", "seeds", "batch_size", "pixel_error"]
    assert rows[1] == ["<b>", "sweep/<b>/7-cd", "7", "7", "0.001"]
    wide = "sweep/wide/0-ab, sweep/wide/1-ab"
    assert rows[2] == ["wide", wide, "0, 1", "64", "0.5 (2)"]
    assert ["spread", "–", "4 (2)", "100", ""] in rows  # among all measures
    links = [own["href"] for own in page.of("a")]
    assert links == ["sweep/%3Cb%3E/7-cd/page.html"] * 2  # in the table and above its pictures
    assert "<b>" not in (runs / "report.html").read_text()
    assert "report.html" in capsys.readouterr().err
    # From another folder.
    assert main(["sweep", "--page=sweep/all.html"]) == 0
    links = {own["href"] for own in Parsed((runs / "sweep/all.html").read_text()).of("a")}
    assert links == {"%3Cb%3E/7-cd/page.html"}
    page = page_of(runs, "--metrics=spread")
    assert page.rows[0][-1] == "spread"


def test_curves_are_over_each_other_in_the_colours_of_the_models(runs):
    page = page_of(runs)
    text = (runs / "report.html").read_text()
    titles = [own["aria-label"] for own in page.of("svg", role="img")]
    assert titles == [
        "validation: pixel error by training step",
        "losses: reconstruction by training step",
    ]
    of_rows = re.findall(r'<td><svg class="swatch (c\d solid)"', text.replace("<td>\n", "<td>"))
    assert of_rows == ["c0 solid", "c1 solid"]
    drawn = re.findall(
        r'<g class="(c\d) solid"><title>([^<]*)<.title>\s*<polyline points="([^"]*)', text
    )
    assert [one[:2] for one in drawn] == 2 * [("c0", "&lt;b&gt;"), ("c1", "wide"), ("c1", "wide")]
    height = FRAME.bottom - FRAME.top
    for (*_, points), (first, last) in zip(drawn, 2 * [(2, 0), (4, 2), (3, 1)], strict=True):
        (x0, y0), (x1, y1) = (map(float, one.split(",")) for one in points.split())
        assert (x0, x1) == ((FRAME.left + FRAME.right) / 2, FRAME.right)
        assert y0 == pytest.approx(FRAME.bottom - first / 4 * height, abs=0.06)
        assert y1 == pytest.approx(FRAME.bottom - last / 4 * height, abs=0.06)


def test_the_pictures_of_many_runs_are_bounded(runs, monkeypatch):
    for path in (runs / "sweep").glob("*/*"):
        (path / "samples.png").write_bytes(PIXEL)
    assert len(page_of(runs).of("img")) == 3
    monkeypatch.setattr(runs_page, "MAX_BYTES", 3 * len(PIXEL) - 1)
    page = page_of(runs)
    assert not page.of("img") and "".join(page.text).count("too large for this page") == 3


def test_a_page_without_runs_is_refused(runs, capsys):
    assert main(["--page"]) == 2
    assert "name their folders" in capsys.readouterr().err
    assert [one.name for one in runs.iterdir()] == ["sweep"]


def test_labels_are_told_apart(runs):
    """Of a sweep by the variant; two configs of one variant by their runs."""
    workdir(runs / "other/wide/0-ab", {"pixel_error": 0.5}, steps=9)
    workdir(runs / "other/wide/0-ef", {"pixel_error": 0.5}, steps=11)
    for words, labels in (
        (("sweep/wide/0-ab", "other/wide/0-ab"), ["sweep/wide", "other/wide"]),
        (("sweep/wide/0-ab",), ["wide"]),
        (("other/wide/0-ab", "other/wide/0-ef"), ["wide, steps=9", "wide, steps=11"]),
    ):
        assert main([*words]) == 0
        rows = Parsed((runs / "report.html").read_text()).rows
        assert [row[0].strip() for row in rows[1 : 1 + len(labels)]] == labels
