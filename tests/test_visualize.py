"""Interpolations between codes, against geometry; what cannot be shown."""

import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.errors import InputError
from iae_jax.runs import visualize
from iae_jax.runs.config import Config
from iae_jax.runs.loaded import Model
from iae_jax.runs.request import Request
from iae_jax.runs.trained import TrainedRun
from iae_jax.runs.visualize import COLUMNS, moved_components
from iae_jax.sampling.interpolation import between
from iae_jax.sampling.priors import prior
from iae_jax.types import Game, Generator, Players


def test_a_way_is_along_the_circle():
    """A quarter turn in equal steps, while the norm goes from 1 to 3."""
    a, b = np.array([[1.0, 0, 0]]), np.array([[0, 3.0, 0]])
    shares = np.array([0, 1 / 3, 1 / 2, 1])
    (way,) = between(a, b, shares)
    angles = np.pi / 2 * shares
    expected = np.stack([np.cos(angles), np.sin(angles), np.zeros(4)], 1)
    expected *= (1 + 2 * shares)[:, None]
    np.testing.assert_allclose(way, expected, atol=1e-6)


def test_parallel_codes_and_a_code_of_one_component_have_a_way_too():
    a = np.array([[0.6, -0.8], [2.0, 0.0]])
    b = np.array([[1.2, -1.6], [-2.0, 0.0]])
    ways = np.asarray(between(a, b, np.array([0.0, 0.5, 1.0])))
    assert np.isfinite(ways).all()
    np.testing.assert_allclose(ways[0], [a[0], 1.5 * a[0], b[0]], atol=1e-5)
    np.testing.assert_allclose(ways[1, [0, 2]], [a[1], b[1]], atol=1e-5)


def test_one_component_moves_at_a_time():
    codes = np.random.default_rng(0).normal([1.0, -2.0, 0.0], [0.5, 2.0, 1.0], (400, 3))
    moved = np.asarray(moved_components(codes, codes[3].astype(np.float32)))
    assert moved.shape == (3, COLUMNS, 3)
    for component in range(3):
        others = [i for i in range(3) if i != component]
        np.testing.assert_allclose(
            moved[component][:, others], np.tile(codes[3, others], (COLUMNS, 1)), rtol=1e-5
        )
        middle, deviation = codes[:, component].mean(), codes[:, component].std()
        ends = [middle - 2 * deviation, middle + 2 * deviation]
        np.testing.assert_allclose(moved[component][[0, -1], component], ends, rtol=1e-4)


def request(game, shape, folder, count):
    """Of a model without parameters."""
    run = TrainedRun(Config(), game, Players(), 1)
    return Request(Model(run, Players(), shape, "real", None), folder, count=count)


@pytest.mark.parametrize("size", [0, 2])
def test_a_category_in_each_column_and_a_local_code_in_each_row(size, tmp_path):
    """The generator paints what it reads: the category, the vector and the local code."""

    def sample(params, z, n):
        parts = [z.category] + ([z.vector] if size else []) + [n]
        return jnp.concatenate(parts, -1)[:, None, :, None]

    painter = Generator(init=lambda key: None, sample=sample, noise=3)
    game = Game(Players(generator=painter), prior("gaussian", size, 4), None, Players())
    visualize.traversals(request(game, (1, 7 + size, 1), tmp_path, 5))
    x = np.load(tmp_path / "traversals.npz")["x"][:, :, 0, :, 0]
    assert x.shape == (5, 4, 4 + size + 3)
    for row in range(5):
        np.testing.assert_array_equal(x[row, :, :4], np.eye(4))
        assert (x[row, :, 4:] == x[row, 0, 4:]).all()
    assert len(np.unique(x[:, 0, 4:], axis=0)) == 5


@pytest.mark.parametrize("view", ["samples", "reconstructions", "interpolations", "traversals"])
def test_what_a_model_without_a_generator_cannot_show_is_refused(view, tmp_path):
    game = Game(Players(encoder="an encoder"), prior("gaussian", 2), None, Players())
    with pytest.raises(InputError, match="this model has no generator: encode or score"):
        getattr(visualize, view)(request(game, (2,), tmp_path, 3))
    assert not list(tmp_path.iterdir())
