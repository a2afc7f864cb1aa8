"""The figure of a run in training: originals, reconstructions, samples of the prior."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.files.figures import drawable
from iae_jax.objectives.weights import at
from iae_jax.runs.workdir import Workdir
from iae_jax.sampling.model import generate, reconstruct
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array, Game, Players

FIGURE_IMAGES = 12  # in a row of the figure
STOCHASTIC_ROWS = 3


@partial(jax.jit, static_argnums=0)
def pictures(game: Game, params: Players, x: Array, scale: Array) -> tuple[list[Array], Array]:
    """Reconstructions of x f32[B, ...], one array for each draw of the noise (none without an
    encoder), and twice as many samples of the prior."""
    key, networks = jax.random.key(0), game.networks
    samples = generate(game, params, jax.random.fold_in(key, 0), 2 * x.shape[0], scale)
    if networks.encoder is None or networks.generator is None:
        return [], samples
    rows = STOCHASTIC_ROWS if networks.encoder.noise or networks.generator.noise else 1
    keys = [jax.random.fold_in(key, 1 + row) for row in range(rows)]
    return [reconstruct(game, params, x, row_key, scale) for row_key in keys], samples


def shows(game: Game, shape: tuple[int, ...]) -> bool:
    """Whether there is something to draw: x of this shape, and a generator that is not slow."""
    generator = game.networks.generator
    return generator is not None and not generator.slow and drawable(shape)


def draw(workdir: Workdir, game: Game, ema: Players, step: int, images: np.ndarray) -> Path:
    """Draws the figure of a step, by the averaged parameters, from the first of the images."""
    x = to_unit(jnp.asarray(images[:FIGURE_IMAGES]))
    scale = jnp.float32(at(game.local_scale, jnp.float32(step)))
    # Auxiliary losses cannot be hashed, and do not matter here.
    drawn = pictures(game._replace(objective=None, optimizers=Players()), ema, x, scale)
    return workdir.figure(step, np.asarray(x), *jax.device_get(drawn))
