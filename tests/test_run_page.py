"""The page of a run. Oracles: `iae_jax.load(run).decode` at the codes that the page names, the
run's own files, Python's parser of HTML, and a browser."""

import base64
import io
import json
import shutil

import chromium
import numpy as np
import pytest
import tiny
from parsed_page import Parsed
from PIL import Image
from test_launch import launch

import iae_jax
from iae_jax.runs import run_pictures
from iae_jax.runs.train import train

pytestmark = pytest.mark.heavy

NAME = "<script>alert(1)</script>"
KINDS = ("vae", "gan", "category")


@pytest.fixture(scope="module")
def trained(data_directory, tmp_path_factory):
    """kind -> the folder of a run, whose data set is no longer where its config says."""
    found = {}
    for kind in (*KINDS, "plane"):
        config = tiny.get_config("iae" if kind in ("category", "plane") else kind)
        config.data.directory, config.steps, config.seed = data_directory, 10, 11
        config.run.figure_steps = 10
        if kind == "category":
            config.code.categories, config.code.size, config.generator.noise = 4, 2, 5
            config.prior.conditional = True
        if kind == "plane":
            config.data.name, config.run.classifier = "planar:grid", False
            config.data.train, config.data.validation = "train", "validation"
        path = found[kind] = tmp_path_factory.mktemp(kind) / "run"
        train(config, path)
        for name, change in (
            ("config.json", lambda one: one["data"].update(directory="/dev/null/gone")),
            ("data.json", lambda one: one.update(class_names=[NAME, *"123456789"])),
        ):
            plain = json.loads((path / name).read_text())
            change(plain)
            (path / name).write_text(json.dumps(plain))
    return found


@pytest.fixture
def runs(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return {kind: shutil.copytree(path, tmp_path / kind) for kind, path in trained.items()}


def page_of(run, *words):
    code, out, err = launch(f"--workdir={run}", "--mode=page", *words)
    assert code == 0, err
    return Parsed((run / "page.html").read_text(encoding="utf-8"))


def sheets(page, shape):
    """u8[rows, columns, *shape] of each panel."""
    canvases, panels = page.of("canvas"), page.of("figure", **{"class": "panel"})
    images = page.of("img", hidden=None)
    assert len(canvases) == len(panels) == len(images)
    for canvas, panel, image in zip(canvases, panels, images, strict=True):
        height, width = int(canvas["height"]), int(canvas["width"])
        kind, _, png = image["src"].partition(",")
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))
        assert kind == "data:image/png;base64" and pixels.dtype == np.uint8
        columns = int(panel["data-columns"])
        assert pixels.shape[1] == columns * width and pixels.shape[0] % height == 0
        found = pixels.reshape(-1, height, columns, width).swapaxes(1, 2)[..., None]
        assert found.shape[2:] == shape
        yield found


def codes_in(codes, panel, kinds, starts, locals_):
    """The codes of a sheet as the page says them: vector f32[K, B, L, P, D], local
    f32[K, B, L, P, n]."""
    n, start = np.float32(codes["local"]), codes.get("start")
    directions = len(codes["step"]) if start else 0
    if panel == directions:  # the local code
        angle = np.deg2rad(np.arange(0, 360, 15))[:, None]
        local = np.broadcast_to(
            np.cos(angle) * n[0] + np.sin(angle) * n[1], (kinds, starts, 1, 24, n.shape[1])
        )
        z = np.broadcast_to(
            np.float32(start)[:, :, None, None], (*local.shape[:4], len(start[0][0]))
        )
    else:
        start, mean = np.float32(start)[:, :, None], np.float32(codes["mean"])[:, None, None]
        step, reading = (np.float32(codes[name][panel]) for name in ("step", "reading"))
        position = np.float32(codes["positions"])
        z = start + (position - (start - mean) @ reading)[..., None] * step
        z = np.broadcast_to(z[:, :, None], (kinds, starts, locals_, len(position), z.shape[-1]))
        local = np.broadcast_to(n[:locals_, None], (*z.shape[:4], n.shape[1]))
    return z.astype(np.float32), local.astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_is_what_the_model_decodes_there(runs, kind):
    page, model = page_of(runs[kind]), iae_jax.load(runs[kind])
    (section,) = page.of("section")
    starts, kinds = int(section["data-starts"]), 4 if kind == "category" else 1
    directions, noise = {"vae": (3, 0), "gan": (3, 4), "category": (2, 5)}[kind]
    found = list(sheets(page, (8, 8, 1)))
    assert len(found) == directions + bool(noise) and starts == 4
    sliders = [one for one in page.of("input", type="range") if one["name"] == "place"]
    for i, (sheet, slider) in enumerate(zip(found, sliders, strict=True)):
        locals_ = int(page.of("figure", **{"class": "panel"})[i]["data-locals"])
        assert sheet.shape[:2] == (kinds * starts * locals_, int(slider["max"]) + 1)
        assert len(json.loads(slider["data-texts"])) == sheet.shape[1]
        z, local = codes_in(page.codes, i, kinds, starts, locals_)
        category = np.repeat(np.arange(kinds), z[0, ..., 0].size) if kind == "category" else None
        rows = int(np.prod(z.shape[:4]))
        x = model.decode(z.reshape(rows, -1), category, local.reshape(rows, noise))
        error = np.abs(x.reshape(sheet.shape) * 255 - sheet)
        assert error.max() < 0.51 and sheet.std() > 1
        # The slider changes the picture.
        assert (sheet[:, 0] != sheet[:, sheet.shape[1] // 2]).any(axis=(1, 2, 3)).all()
    radios = page.of("input", type="radio", name="category")
    assert len(radios) == (4 if kind == "category" else 0)


def test_a_page_asks_for_nothing_and_what_comes_from_a_run_is_text(runs):
    page = page_of(runs["vae"])
    text = (runs["vae"] / "page.html").read_text(encoding="utf-8")
    assert NAME not in text and any(NAME in one for one in page.text)
    refers = [
        (tag, value)
        for tag, own in page.tags
        for name, value in own.items()
        if name in ("src", "href", "srcset", "action", "data", "poster", "style")
    ]
    links = {value for tag, value in refers if tag == "a"}
    assert links == {"https://arxiv.org/abs/1805.09804"}
    assert all(value.startswith("data:image/png;base64,") for tag, value in refers if tag != "a")
    assert "url(" not in text and "@import" not in text and 'http-equiv="refresh' not in text
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    assert sum(tag == "script" for tag, _ in page.tags) == 2  # one is data
    assert not [name for _, own in page.tags for name in own if name.startswith("on")]
    (policy,) = page.of("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:;")
    assert len(text) < 500_000


def test_numbers_config_and_curves_are_those_of_the_files(runs):
    run = runs["vae"]
    page = page_of(run)
    assert "iae-jax --workdir=" in "".join(page.text) and "--mode=evaluate" in "".join(page.text)
    records = [
        {"metric": "pixel_error", "value": 0.1234567, "low": 0.1, "high": 0.25, "n": 9, "seed": 11},
        {"metric": "judge_accuracy", "value": 0.5, "n": 1000, "seed": 11},
        {"metric": "spread", "value": 2.0, "n": 5, "seed": 11},
        {"metric": "spread", "value": 4.0, "n": 5, "seed": 12},
        {"metric": "lost", "value": None, "n": 5, "seed": 11},
    ]  # fmt: skip
    records = [{"split": "test", "extractor": "pixels", **one} for one in records]
    content = {"data": "digits & test", "checkpoint": "10", "step": 7, "records": records}
    (run / "evaluation_test.json").write_text(json.dumps(content))
    page = page_of(run)
    assert [row for row in page.rows if len(row) == 5][1:] == [
        ["pixel_error", "0.1235", "0.1 to 0.25", "9", "pixels"],
        ["classifier_accuracy", "0.5", "", "1,000", "pixels"],
        ["spread", "3", "", "5", "pixels"],
        ["lost", "–", "", "5", "pixels"],
    ]
    assert page.of("td", title="0.1234567") and page.of("td", title="2.0, 4.0")
    said = " ".join("".join(page.text).split())
    assert "Measured on digits & test, at step 7" in said and "are of step 10" in said
    changed = {row[0]: row[1:3] for row in page.rows if len(row) == 4}
    assert changed["batch_size"] == ["16", "64"] and changed["seed"] == ["11", "0"]
    assert changed["encoder.kind"] == ["gaussian", "deterministic"]
    assert [row[0] for row in page.rows if len(row) == 4].index("turns") > 20  # at its default
    titles = [own["aria-label"] for own in page.of("svg", role="img")]
    assert "validation: pixel error by training step" in titles and len(titles) >= 3
    assert {"reconstruction", "validation pixel error"} <= {one.strip() for one in page.text}
    (run / "evaluation_test.json").write_text("{}")
    code, _, lines = launch(f"--workdir={run}", "--mode=page")
    assert code == 2 and "is damaged: evaluate the run again" in lines[-1]


def test_pictures_of_the_folder_are_shown_as_they_are(runs, monkeypatch):
    (runs["gan"] / "samples.png").write_bytes(b"a picture")
    page = page_of(runs["gan"])
    shown = {own["alt"]: own["src"] for own in page.of("img") if own["alt"]}
    figure = (runs["gan"] / "figures" / "step_0000010.png").read_bytes()
    for name, content in (
        ("in training: figures/step_0000010.png", figure),
        ("samples: samples.png", b"a picture"),
    ):
        assert base64.b64decode(shown.pop(name).partition(",")[2]) == content
    assert not shown
    monkeypatch.setattr(run_pictures, "MAX_BYTES", 100)
    page = page_of(runs["gan"])
    assert [own["alt"] for own in page.of("img") if own["alt"]] == ["samples: samples.png"]
    assert "".join(page.text).count("too large for this page") == 1


def test_the_last_picture_is_of_the_largest_step(tmp_path):
    (tmp_path / "figures").mkdir()
    for step in ("10000000", "9999999"):
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / f"figures/step_{step}.png")
    (found,) = run_pictures.pictures(tmp_path)
    assert found.caption == "in training: figures/step_10000000.png"


def test_a_page_of_the_plane_and_of_somebody_else(runs):
    page, model = page_of(runs["plane"]), iae_jax.load(runs["plane"])
    found = list(sheets(page, (96, 96, 1)))
    starts = int(page.of("section")[0]["data-starts"])
    locals_ = int(page.of("figure", **{"class": "panel"})[0]["data-locals"])
    z, local = codes_in(page.codes, 0, 1, starts, locals_)
    assert starts > 1 and locals_ > 1 and found[0].shape[0] == starts * locals_
    x = model.decode(z.reshape(-1, 3), None, local.reshape(-1, 4)).reshape(*z.shape[:4], 2)
    samples = model.sample(3000, seed=11)
    low, high = samples.min(axis=0), samples.max(axis=0)
    share = (x - low + 0.05 * (high - low)) / (1.1 * (high - low))
    for row, column in ((0, 0), (1, 10), (3, 3)):
        right, up = share.reshape(-1, 11, 2)[row, column]
        ys, xs = np.nonzero(found[0][row, column, ..., 0] == 0)
        assert xs.mean() == pytest.approx(right * 96, abs=1.1)
        assert ys.mean() == pytest.approx((1 - up) * 96, abs=1.1)
    (runs["plane"] / "page.html").write_text("my own notes")
    code, _, lines = launch(f"--workdir={runs['plane']}", "--mode=page")
    assert code == 2 and "choose another --output" in lines[-1]
    assert (runs["plane"] / "page.html").read_text() == "my own notes"


@pytest.mark.slow
@pytest.mark.skipif(not chromium.program(), reason="there is no Chromium to look at a page with")
def test_a_browser_shows_what_the_sliders_say(runs):
    page = page_of(runs["category"])
    model, codes = iae_jax.load(runs["category"]), page.codes
    with chromium.browser() as browser:
        size = dict(width=400, height=900, deviceScaleFactor=1, mobile=True)
        browser("Emulation.setDeviceMetricsOverride", **size)
        browser.open(runs["category"] / "page.html")
        assert browser.run("document.documentElement.scrollWidth") <= 400

        def shown(panel):
            """The picture as it is in the page."""
            address = browser.run(f"document.querySelectorAll('canvas')[{panel}].toDataURL()")
            picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
            return np.asarray(picture.convert("L"))

        def decoded(panel, category, start, local, place):
            z, n = (one[category, start, local, place] for one in codes_in(codes, panel, 4, 4, 3))
            x = model.decode(z[None], np.array([category]), n[None])
            return np.rint(255 * x[0, ..., 0])

        np.testing.assert_allclose(shown(0), decoded(0, 0, 0, 0, 5), atol=1)
        before = shown(1)
        browser.run("document.querySelectorAll('[name=place]')[0].focus()")
        for _ in range(3):
            browser.press("ArrowRight", 39)
        np.testing.assert_allclose(shown(0), decoded(0, 0, 0, 0, 8), atol=1)
        np.testing.assert_array_equal(shown(1), before)
        said = browser.run("document.querySelectorAll('.panel output')[0].textContent")
        assert said == "+1.2 SD"
        browser.run("document.querySelectorAll('[name=category]')[2].click()")
        for name, value in (("start", 3), ("local", 1)):
            browser.run(
                f"(one => {{one.value = {value}; "
                "one.dispatchEvent(new Event('input', {bubbles: true}))})"
                f"(document.querySelector('[name={name}]'))"
            )
        np.testing.assert_allclose(shown(0), decoded(0, 2, 3, 1, 8), atol=1)
        np.testing.assert_allclose(shown(2), decoded(2, 2, 3, 0, 0), atol=1)
        assert not np.array_equal(shown(1), before)
        asked = [one["request"]["url"] for one in browser.of("Network.requestWillBeSent")]
        assert [one for one in asked if not one.startswith("data:")] == [
            (runs["category"] / "page.html").resolve().as_uri()
        ]
        for event in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            assert browser.of(event) == []
        scheme = dict(features=[{"name": "prefers-color-scheme", "value": "dark"}])
        back = "getComputedStyle(document.body).backgroundColor"
        light = browser.run(back)
        browser("Emulation.setEmulatedMedia", **scheme)
        assert light == "rgb(255, 255, 255)" and browser.run(back) == "rgb(20, 23, 26)"
