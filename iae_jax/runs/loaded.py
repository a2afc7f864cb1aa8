"""A trained model from its run's folder alone: `load(path)`.

Nothing else is read: no data set, no experiment file, no flag. Every call works in batches of one
size, so that memory does not grow with the number of examples, and an example's numbers depend on
its place and on the seed, not on what is beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.runs.config import Config
from iae_jax.runs.model_inputs import check_category, codes, floats, images, whole
from iae_jax.runs.model_outputs import Codes, drawn, encoded, scored, scored_by
from iae_jax.runs.programs import kept
from iae_jax.runs.run_folder import folder_of
from iae_jax.runs.saved_config import config_of
from iae_jax.runs.trained import TrainedRun, trained
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.interpolation import between
from iae_jax.sampling.noise import Noise, example_keys, normal, to_unit
from iae_jax.types import Array, Code, Game, Generator, Players

BATCH = 100  # examples at once
MAX_SEED = 2**32 - 1
# What can be done with a model that lacks a player.
_WITHOUT = {"encoder": "sample from it instead", "generator": "encode or score instead"}


def load(path: str | Path, checkpoint: str | int = "latest", seed: int = 0) -> "Model":
    """The trained model in a run's folder.

    Args:
      checkpoint: "latest", "best" (by validation) or a step.
      seed: which of the run's seeds, by its place, if several were trained at once.

    Raises:
      InputError: there is no run, no such checkpoint, or a file of it is damaged.
    """
    path = folder_of(path)
    return model_of(config_of(path), path, checkpoint, seed)


def model_of(config: Config, path: Path, checkpoint: str | int, seed: int = 0) -> "Model":
    """The same of a run whose config is known."""
    whole(seed, "seed", 0)
    if seed >= config.run.seeds:
        raise InputError(f"seed is below {config.run.seeds}, the seeds of this run, not {seed}")
    run = trained(config, path, checkpoint)
    data = run.data
    return Model(
        run,
        run.params(seed),
        tuple(data["shapes"]["x"]),
        data["values"],
        data["classes"],
        tuple(data["class_names"]),
    )


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model. x is uint8 (0 to 255) or floats: in [0, 1], or of any size for data sets of
    real values (`values` is "unit" or "real").

    shape: of one example. classes: how many the training data has, or None. class_names: of these
    by their number; () if they are not known. Of all methods: seed is from 0; first is the place of
    the first example, for whoever has a larger set than fits into memory: a part then has the
    numbers that it has in the whole.
    """

    run: TrainedRun
    params: Players
    shape: tuple[int, ...]
    values: str
    classes: int | None
    class_names: tuple[str, ...] = ()

    def encode(self, x: np.ndarray, seed: int = 0, first: int = 0) -> Codes:
        """q(z|x) and a sample of it, for x [N, *shape]."""
        self.need("encoder")
        x = images(x, self.shape, self.values)
        return self._batches(_encode, x, (), (seed, first))

    def decode(
        self,
        vector: np.ndarray | None = None,
        category: np.ndarray | None = None,
        local: np.ndarray | None = None,
        seed: int = 0,
        first: int = 0,
    ) -> np.ndarray:
        """x ~ p(x|z) of codes: f32[N, *shape] (its mean, for a factorized likelihood).

        Args:
          vector: f32[N, D]. category: i[N], or probabilities f32[N, K].
          local: the local code f32[N, n], N(0, 1) as the model knows it; else it is drawn.
        """
        self.need("generator")
        z = codes(self.run.game.prior, vector, category)
        size = len(next(one for one in z if one is not None))
        if local is not None:
            local = floats(local, "local", (size, self._generator.noise))
            local = np.float32(self.run.local_scale) * local
        return self._batches(_decode, None, (z, local), (seed, first))

    def reconstruct(self, x: np.ndarray, seed: int = 0, first: int = 0) -> np.ndarray:
        """x_hat ~ p(x|z), z ~ q(z|x): f32[N, *shape]. Another seed, another local code."""
        self.need("encoder", "generator")
        x = images(x, self.shape, self.values)
        return self._batches(_reconstruct, x, (), (seed, first))

    def prior(
        self, count: int, category: int | None = None, seed: int = 0, first: int = 0
    ) -> Codes:
        """z ~ p(z), of one category if it is named."""
        whole(count, "count", 1)
        if category is not None:
            check_category(self.run.game.prior, category)
        return self._batches(_prior, None, np.zeros(count), (seed, first), category)

    def local(self, count: int, seed: int = 0, first: int = 0) -> np.ndarray:
        """Local codes as `decode` would draw them: f32[count, n], N(0, 1)."""
        self.need("generator")
        whole(count, "count", 1)
        return self._batches(_local, None, np.zeros(count), (seed, first))

    def sample(
        self, count: int, category: int | None = None, seed: int = 0, first: int = 0
    ) -> np.ndarray:
        """x ~ p(x|z), z ~ p(z): f32[count, *shape]."""
        z = self.prior(count, category, seed, first)
        return self.decode(z.vector, z.category, seed=seed, first=first)

    def interpolate(
        self, x: np.ndarray, other: np.ndarray, columns: int = 12, seed: int = 0, first: int = 0
    ) -> np.ndarray:
        """f32[N, columns, *shape]: decoded on the way between the codes of x and of other [N,
        *shape], with one local code a row; a category changes half-way."""
        x, other = (images(one, self.shape, self.values) for one in (x, other))
        if len(x) != len(other):
            raise InputError(f"{len(x)} images and {len(other)}: give as many of both")
        whole(columns, "the number of columns", 2)
        self.need("generator")
        one, two = (self.encode(images, seed, first) for images in (x, other))
        return self.ways(one, two, columns, seed, first)

    def ways(
        self, one: Codes, two: Codes, columns: int = 12, seed: int = 0, first: int = 0
    ) -> np.ndarray:
        """The same between codes of N images, or of the prior."""
        self.need("generator")
        shares = np.linspace(0, 1, whole(columns, "the number of columns", 2), dtype=np.float32)
        vector = category = None
        if one.vector is not None:
            way = between(jnp.asarray(one.vector), jnp.asarray(two.vector), jnp.asarray(shares))
            vector = np.asarray(way).reshape(-1, way.shape[-1])
        if one.category is not None:
            half = (shares < 0.5)[None]
            category = np.where(half, one.category[:, None], two.category[:, None]).ravel()
        rows = len(one.vector if vector is not None else one.category)
        local = np.repeat(self.local(rows, seed, first), columns, axis=0)
        found = self.decode(vector, category, local, seed)
        return found.reshape(rows, columns, *self.shape)

    def score(self, x: np.ndarray, seed: int = 0, first: int = 0) -> dict[str, np.ndarray]:
        """What the model says of each image: name -> f32[N], as far as it has it.

        pixel_error: mean absolute difference of x_hat. log_likelihood: log p(x|z), z ~ q(z|x).
        reconstruction_logit, regularization_logit: of the discriminators, on (x, z) and z; higher,
        more like the numerator's. prior_log_density: log p(z) of the code's vector, in nats (if the
        prior's vector depends on a category, given it, and the mean over q(y|x)).
        prior_log_probability: of the code's category, in nats, where the prior learns it.
        """
        if not scored_by(self.run.game.networks):
            self.need("encoder")
        x = images(x, self.shape, self.values)
        return self._batches(_score, x, (), (seed, first))

    # ------------------------------------------------------------------------- what they share

    def need(self, *players: str) -> None:
        """Raises: InputError if the model lacks one of them."""
        for name in players:
            if getattr(self.run.game.networks, name) is None:
                raise InputError(f"this model has no {name}: {_WITHOUT[name]}")

    @property
    def _generator(self) -> Generator:
        generator = self.run.game.networks.generator
        assert generator is not None  # need() comes first
        return generator

    def _batches(
        self,
        function: Callable[..., Any],
        x: np.ndarray | None,
        given: Any,
        place: tuple[int, int],
        *options: Any,
    ) -> Any:
        """function(game, draws of a batch, its part of the tree `given`, *options) over all,
        joined. place: the seed, and the place of the first example."""
        key = jax.random.key(whole(place[0], "seed", 0, MAX_SEED))
        start = whole(place[1], "first", 0, MAX_SEED)
        count = len(x if x is not None else jax.tree.leaves(given)[0])
        compiled = _compiled(self.run.game, function, *options)
        found = []
        for first in range(0, count, BATCH):
            rows = np.minimum(np.arange(first, first + BATCH), count - 1)
            part = jax.tree.map(lambda leaf, rows=rows: leaf[rows], given)
            images = None if x is None else x[rows]
            place_of = np.uint32(start + first)
            out = compiled(self.params, key, place_of, images, part, self.run.local_scale)
            real = min(BATCH, count - first)
            found.append(jax.tree.map(lambda leaf, real=real: np.asarray(leaf[:real]), out))
        return jax.tree.map(lambda *parts: np.concatenate(parts), *found)


def _encode(game: Game, draws: Draws, given: Any) -> Codes:
    return encoded(draws)


def _decode(game: Game, draws: Draws, given: tuple[Code, Array | None]) -> Array:
    z, local = given
    if local is None:
        return draws.decode(z, "local")
    found: Array = draws.generator.sample(draws.params.generator, z, local)
    return found


def _reconstruct(game: Game, draws: Draws, given: Any) -> Array:
    return draws.x_hat


def _prior(game: Game, draws: Draws, given: Any, category: int | None) -> Codes:
    return drawn(draws, category)


def _local(game: Game, draws: Draws, given: Any) -> Array:
    return draws.noise("local", normal(draws.generator.noise))


def _score(game: Game, draws: Draws, given: Any) -> dict[str, Array]:
    return scored(draws, game)


@kept
def _compiled(game: Game, function: Callable[..., Any], *options: Any) -> Callable[..., Any]:
    @jax.jit
    def run(
        params: Players, key: Array, first: Array, x: Array | None, given: Any, scale: Array
    ) -> Any:
        noise = Noise(example_keys(key, first, BATCH))
        batch = {} if x is None else {"x": to_unit(x)}
        return function(game, Draws(game, params, noise, batch, 0, scale), given, *options)

    return run
