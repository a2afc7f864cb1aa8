"""Directions and sheets of pictures, of generators whose answer is known."""

import base64
import hashlib
import html
import io
import math

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from iae_jax.files import html_page
from iae_jax.records.tables import Table
from iae_jax.runs import explorer as explorers
from iae_jax.runs.config import Config, digest
from iae_jax.runs.config_source import config_source
from iae_jax.runs.directions import directions
from iae_jax.runs.explorer import ANGLES, POSITIONS, explorer
from iae_jax.runs.loaded import Model
from iae_jax.runs.plane import DOT, SIDE, Plane
from iae_jax.runs.run_pictures import MAX_BYTES
from iae_jax.runs.trained import TrainedRun
from iae_jax.sampling.priors import prior
from iae_jax.types import Game, Generator, Players


def model(generator, prior_, shape):
    """Without parameters."""
    game = Game(Players(generator=generator), prior_, None, Players())
    return Model(TrainedRun(Config(seed=3), game, Players(), 1), Players(), shape, "unit", None)


def linear(matrix):
    """x = 0.5 + matrix z / 50, as an image [1, P, 1]."""

    def sample(params, z, n):
        return 0.5 + (z.vector @ matrix.T / 50)[:, None, :, None]

    return Generator(init=lambda key: None, sample=sample, noise=0)


def test_directions_are_the_singular_vectors_of_a_linear_decoder():
    """Codes of N(0, diag(s^2)): x changes by matrix @ diag(s), whose SVD is the oracle."""
    rng = np.random.default_rng(1)
    matrix, sd = rng.normal(size=(9, 4)), np.array([1.0, 3.0, 0.3, 2.0])
    codes = np.float32(rng.normal(size=(1, 200_000, 4)) * sd + [5, 0, -2, 1])
    one = model(linear(jnp.asarray(matrix)), prior("gaussian", 4), (1, 9, 1))
    found = directions(one, codes, 4, measured=True)
    _, values, rows = np.linalg.svd(matrix * sd / 50)
    np.testing.assert_allclose(found.change, values / math.sqrt(9), rtol=0.02)
    for i in range(4):
        expected = rows[i] * sd
        expected *= np.sign(expected[np.argmax(np.abs(expected))])
        np.testing.assert_allclose(found.steps[i], expected, atol=0.05)
    # Where a code is along them: the middle is 0, and a step is 1 of its own direction.
    np.testing.assert_allclose(found.means[0], [5, 0, -2, 1], atol=0.03)
    np.testing.assert_allclose(found.steps @ found.readings, np.eye(4), atol=1e-4)


def test_components_that_do_not_vary_are_no_directions():
    codes = np.zeros((1, 50, 3), np.float32)
    codes[0, :, 1] = np.linspace(-1, 1, 50)
    one = model(linear(jnp.eye(3)), prior("gaussian", 3), (1, 3, 1))
    assert directions(one, codes, 3, measured=True).steps.shape == (1, 3)
    assert directions(one, codes * 0, 3, measured=True).steps.shape == (0, 3)


def painter(noise):
    """The picture of what it reads: category, vector and local code, each from -5 to 5."""

    def sample(params, z, n):
        parts = [one for one in (z.category, z.vector, n) if one is not None]
        return (jnp.concatenate(parts, -1)[:, None, :, None] + 5) / 10

    return Generator(init=lambda key: None, sample=sample, noise=noise)


def cells(panel, width, height):
    """u8[rows, columns, height, width] of a panel's sheet."""
    found = np.asarray(Image.open(io.BytesIO(panel.png)))
    rows, columns = found.shape[0] // height, found.shape[1] // width
    assert found.shape == (rows * height, columns * width)
    return found.reshape(rows, height, columns, width).swapaxes(1, 2)


@pytest.mark.parametrize("categories", [0, 3])
@pytest.mark.parametrize("size", [0, 2])
@pytest.mark.parametrize("noise", [0, 4])
def test_a_cell_is_of_its_category_start_local_code_and_place(categories, size, noise):
    if not size and not categories:
        return
    width = categories + size + noise
    one = model(painter(noise), prior("gaussian", size, categories), (1, width, 1))
    found = explorer(one)
    kinds = max(1, categories)
    n = np.array(found.codes["local"])
    assert found.starts == (4 if size else 1) and found.locals == (3 if noise else 1)
    assert len(found.panels) == max(1, size + bool(noise))
    for i, panel in enumerate(found.panels):
        sheet = cells(panel, width, 1)[:, :, 0] / 255 * 10 - 5
        of_n = noise > 0 and i == len(found.panels) - 1
        locals_ = 1 if of_n or not noise else 3
        columns = len(ANGLES) if of_n else len(POSITIONS) if size else 1
        assert sheet.shape == (kinds * found.starts * locals_, columns, width)
        assert panel.locals == locals_ and len(panel.texts) == columns
        sheet = sheet.reshape(kinds, found.starts, locals_, columns, width)
        for k in range(categories):  # a button
            expected = np.broadcast_to(np.eye(categories)[k], (*sheet.shape[1:4], categories))
            np.testing.assert_allclose(sheet[k, ..., :categories], expected, atol=0.03)
        for b in range(found.starts):
            z = sheet[:, b, :, :, categories : categories + size]
            if size and not of_n:  # where it is along the direction, and nothing else moves
                start, mean = np.array(found.codes["start"])[:, b], np.array(found.codes["mean"])
                step, reading = (np.array(found.codes[name])[i] for name in ("step", "reading"))
                for k in range(kinds):
                    along = (z[k] - mean[k]) @ reading
                    expected = np.broadcast_to(POSITIONS, along.shape)
                    np.testing.assert_allclose(along, expected, atol=0.15)
                    beside = (z[k] - start[k]) @ [-step[1], step[0]]
                    np.testing.assert_allclose(beside, 0, atol=0.15)
            elif size:
                for k in range(kinds):
                    expected = np.broadcast_to(found.codes["start"][k][b], z[k].shape)
                    np.testing.assert_allclose(z[k], expected, atol=0.03)
        local = sheet[..., categories + size :]
        if of_n:
            quarter = [0, 6, 12, 18]  # of 24 places
            expected = np.stack([n[0], n[1], -n[0], -n[1]])
            expected = np.broadcast_to(expected, local[..., quarter, :].shape)
            np.testing.assert_allclose(local[..., quarter, :], expected, atol=0.03)
        elif noise:
            expected = np.broadcast_to(n[:3, None], local.shape)
            np.testing.assert_allclose(local, expected, atol=0.03)


@pytest.mark.parametrize(
    ("shape", "categories", "size", "bound"),
    [
        ((28, 28, 1), 0, 20, 5e6),
        ((28, 28, 1), 30, 5, 6e6),
        ((64, 64, 3), 0, 50, 15e6),
        ((64, 64, 3), 10, 3, 15e6),
    ],
)
def test_sheets_are_bounded(monkeypatch, shape, categories, size, bound):
    """4 bytes of a page for 3 of the worst picture, and as many for the pictures of the folder."""
    areas = []

    def area(x):
        areas.append(x.shape[0] * x.shape[1] * x.shape[2] * x.shape[3])
        return b""

    monkeypatch.setattr(explorers, "sheet", area)
    blank = Generator(
        init=lambda key: None,
        sample=lambda params, z, n: jnp.zeros((n.shape[0], *shape)) + n[:, :1, None, None],
        noise=2,
    )
    found = explorer(model(blank, prior("gaussian", size, categories), shape))
    assert len(areas) == len(found.panels) > 1 and sum(areas) > 500_000
    assert (sum(areas) * shape[-1] + MAX_BYTES) * 4 / 3 < bound


@pytest.mark.parametrize(
    ("generator", "shape", "categories", "said"),
    [
        (None, (8, 8, 1), 0, "no generator"),
        (painter(0), (8, 8, 4), 0, "[8, 8, 4]: only images of 1 or 3 channels"),
        (painter(0), (512, 512, 1), 1000, "too many categories"),
    ],
)
def test_what_has_no_sliders_has_a_sentence(generator, shape, categories, said):
    found = explorer(model(generator, prior("gaussian", 2, categories), shape))
    assert isinstance(found, str) and said in found


def test_points_of_the_plane_are_dots():
    """x to the right, y up; what is outside is on the margin."""
    plane = Plane(np.array([[0.0, -10.0], [1.0, 10.0]], np.float32))
    assert np.count_nonzero(plane.cloud < 1) == 2
    corner, middle, outside = plane.pictures(np.float32([[0, -10], [0.5, 0], [99, np.nan]]))[..., 0]
    rows, columns = np.nonzero(middle == 0)
    assert abs(rows.mean() - SIDE / 2) <= 1 and abs(columns.mean() - SIDE / 2) <= 1
    assert len(rows) == (2 * DOT + 1) ** 2
    rows, columns = np.nonzero(corner == 0)
    assert rows.mean() > 0.9 * SIDE and columns.mean() < 0.1 * SIDE
    assert np.nonzero(outside == 0)[1].max() == SIDE - 1


@pytest.mark.parametrize("change", [{}, {"steps": 7, "encoder.noise": 3, "data.name": "it's"}])
def test_the_source_of_a_config_makes_it_again(change):
    config = Config(seed=5)
    config.run.cache = "/home/somebody"
    for name, value in change.items():
        *sections, field = name.split(".")
        setattr(getattr(config, sections[0]) if sections else config, field, value)
    scope = {}
    source = config_source(config)
    exec(source, scope)
    assert digest(scope["get_config"]()) == digest(config) and scope["get_config"]().seed == 5
    assert "somebody" not in source


def test_a_page_runs_the_script_of_this_package_alone():
    words = dict(models=[], fields=[], measures=[], charts=[])
    text = html_page.page("runs.html", "explorer.js", table=Table(("<b>",), []), **words)
    assert "&lt;b&gt;" in text and "<b>" not in text
    text = html.unescape(text)
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest_ = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest_}'" in text and "default-src 'none'" in text
