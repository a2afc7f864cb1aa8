"""A trained model from its run's folder alone: `load(path)`.

Nothing else is read: no data set, no experiment file, no flag. Every call works in batches of one
size, so that memory does not grow with the number of examples, and an example's numbers depend on
its place and on the seed, not on what is beside it.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.metrics.metric import mean_distance
from iae_jax.runs.model_inputs import codes, floats, images
from iae_jax.runs.saved_config import config_of
from iae_jax.runs.trained import TrainedRun, data_of, trained
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.interpolation import between
from iae_jax.sampling.noise import Noise, example_keys, to_unit
from iae_jax.types import DISCRIMINATORS, Array, Code, Players

BATCH = 100  # examples at once
MAX_SEED = 2**32 - 1


class Codes(NamedTuple):
    """Codes of N images, what the model has of each.

    vector: f32[N, D], a sample of q(z|x). mean, deviation: f32[N, D] of a Gaussian q(z|x).
    probabilities: f32[N, K] of the categories. category: i32[N], the sampled one.
    """

    vector: Any = None
    mean: Any = None
    deviation: Any = None
    probabilities: Any = None
    category: Any = None


def load(path: str | Path, checkpoint: str = "latest", seed: int = 0) -> "Model":
    """The trained model in a run's folder.

    Args:
      checkpoint: "latest", "best" (by validation) or a step.
      seed: which of the run's seeds, by its place, if several were trained at once.

    Raises:
      InputError: there is no run, no such checkpoint, or a file of it is damaged.
    """
    path = Path(path)
    config = config_of(path)
    if not 0 <= seed < config.run.seeds:
        raise InputError(f"seed is below {config.run.seeds}, the seeds of this run, not {seed}")
    run, data = trained(config, path, checkpoint), data_of(path)
    if data is None:
        raise InputError(f"{path} is from before shapes were saved with a run: resume it once")
    return Model(run, run.params(seed), tuple(data["shapes"]["x"]), data["values"], data["classes"])


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model. x is uint8 (0 to 255) or floats: in [0, 1], or of any size for data sets of
    real values (`values` is "unit" or "real").

    shape: of one example. classes: how many the training data has, or None.
    """

    run: TrainedRun
    params: Players
    shape: tuple[int, ...]
    values: str
    classes: int | None

    def encode(self, x: np.ndarray, seed: int = 0) -> Codes:
        """q(z|x) and a sample of it, for x [N, *shape]."""
        self._need("encoder")

        def encode(draws: Draws, given: tuple[()]) -> Codes:
            encoding, z = draws.encoding, draws.z
            variance = encoding.log_variance
            return Codes(
                z.vector,
                encoding.mean,
                None if variance is None else jnp.exp(0.5 * variance),
                z.probabilities,
                None if z.category is None else jnp.argmax(z.category, axis=-1),
            )

        return self._batches("encode", encode, images(x, self.shape, self.values), (), seed)

    def decode(
        self,
        vector: np.ndarray | None = None,
        category: np.ndarray | None = None,
        local: np.ndarray | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """x ~ p(x|z) of codes: f32[N, *shape] (its mean, for a factorized likelihood).

        Args:
          vector: f32[N, D]. category: i[N], or probabilities f32[N, K].
          local: the local code f32[N, n], N(0, 1) as the model knows it; else it is drawn.
        """
        self._need("generator")
        z = codes(self.run.game.prior, vector, category)
        size = len(next(one for one in z if one is not None))
        generator = self.run.game.networks.generator
        assert generator is not None
        if local is not None:
            local = floats(local, "local", (size, generator.noise))

        def decode(draws: Draws, given: tuple[Code, Array | None]) -> Array:
            own, n = given
            if n is None:
                return draws.decode(own, "local")
            scaled = jnp.asarray(self.run.local_scale) * n
            found: Array = draws.generator.sample(draws.params.generator, own, scaled)
            return found

        return self._batches("decode", decode, None, (z, local), seed)

    def reconstruct(self, x: np.ndarray, seed: int = 0) -> np.ndarray:
        """x_hat ~ p(x|z), z ~ q(z|x): f32[N, *shape]. Another seed, another local code."""
        self._need("encoder", "generator")
        return self._batches(
            "reconstruct",
            lambda draws, given: draws.x_hat,
            images(x, self.shape, self.values),
            (),
            seed,
        )

    def prior(self, count: int, category: int | None = None, seed: int = 0) -> Codes:
        """z ~ p(z), of one category if it is named."""
        categories = self.run.game.prior.categories
        if count < 1:
            raise InputError(f"count is at least 1, not {count}")
        if category is not None and not 0 <= category < categories:
            there = f"one of {categories}, from 0" if categories else "of models with categories"
            raise InputError(f"a category is {there}, not {category}")

        def draw(draws: Draws, given: np.ndarray) -> Codes:
            z = draws.z_prior if category is None else draws.z_prior_of(category)
            own = None if z.category is None else jnp.argmax(z.category, axis=-1)
            return Codes(vector=z.vector, category=own)

        return self._batches("prior", draw, None, np.zeros(count), seed, category)

    def sample(self, count: int, category: int | None = None, seed: int = 0) -> np.ndarray:
        """x ~ p(x|z), z ~ p(z): f32[count, *shape]."""
        z = self.prior(count, category, seed)
        return self.decode(z.vector, z.category, seed=seed)

    def interpolate(
        self, x: np.ndarray, other: np.ndarray, columns: int = 12, seed: int = 0
    ) -> np.ndarray:
        """f32[N, columns, *shape]: decoded on the way between the codes of x and of other [N,
        *shape], with one local code a row; a category changes half-way."""
        if columns < 2:
            raise InputError(f"columns are at least 2, not {columns}")
        if len(x) != len(other):
            raise InputError(f"{len(x)} images and {len(other)}: give as many of both")
        self._need("generator")
        one, two = self.encode(x, seed), self.encode(other, seed)
        rows, shares = len(x), np.linspace(0, 1, columns)
        vector = category = None
        if one.vector is not None and two.vector is not None:
            way = between(jnp.asarray(one.vector), jnp.asarray(two.vector), jnp.asarray(shares))
            vector = np.asarray(way).reshape(rows * columns, -1)
        if one.category is not None and two.category is not None:
            first = (shares < 0.5)[None]
            category = np.where(first, one.category[:, None], two.category[:, None]).ravel()
        generator = self.run.game.networks.generator
        assert generator is not None
        keys = example_keys(jax.random.key(seed), 0, rows)
        local = Noise(keys)("local", lambda key: jax.random.normal(key, (generator.noise,)))
        repeated = np.repeat(np.asarray(local), columns, axis=0) if generator.noise else None
        found = self.decode(vector, category, repeated, seed)
        return found.reshape(rows, columns, *self.shape)

    def score(self, x: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
        """What the model says of each image: name -> f32[N], as far as it has it.

        pixel_error: mean absolute difference of x_hat. log_likelihood: log p(x|z), z ~ q(z|x).
        reconstruction_logit, regularization_logit: of the discriminators, on (x, z) and z; higher,
        more like the numerator's. prior_log_density: log p(z) of the code's vector, in nats (given
        its category, if the prior's vector depends on one). prior_log_probability: of the code's
        category, in nats, where the prior learns it.
        """
        self._need("encoder")

        networks, prior = self.run.game.networks, self.run.game.prior

        def score(draws: Draws, given: tuple[()]) -> dict[str, Array]:
            z, found = draws.z, dict[str, Array]()
            generator = networks.generator
            if generator is not None:
                x_hat = draws.x_hat
                if generator.slow and generator.mean is not None:
                    x_hat = generator.mean(draws.params.generator, z)
                found["pixel_error"] = mean_distance(draws.x, x_hat)
                if generator.log_likelihood is not None:
                    own = generator.log_likelihood(draws.params.generator, z, draws.x)
                    found["log_likelihood"] = own
            for role in DISCRIMINATORS:
                network = getattr(networks, role)
                if network is not None:
                    seen = draws.x if "x" in network.reads else None
                    vector = z.vector if "z" in network.reads else None
                    logits = network.apply(getattr(draws.params, role), seen, vector)
                    weights = 1.0 if logits.shape[-1] == 1 else z.probabilities
                    name = role.replace("discriminator", "logit")
                    found[name] = jnp.sum(weights * logits, axis=-1)
            if prior.log_density is not None and z.vector is not None:
                found["prior_log_density"] = prior.log_density(draws.prior_params, z)
            if prior.log_probabilities is not None and z.category is not None:
                log_p = prior.log_probabilities(draws.prior_params)
                found["prior_log_probability"] = log_p[jnp.argmax(z.category, axis=-1)]
            return found

        return self._batches("score", score, images(x, self.shape, self.values), (), seed)

    # ------------------------------------------------------------------------- what they share

    def _need(self, *players: str) -> None:
        for name in players:
            if getattr(self.run.game.networks, name) is None:
                raise InputError(f"this model has no {name}")

    def _batches(
        self,
        name: str,
        function: Callable[[Draws, Any], Any],
        x: np.ndarray | None,
        given: Any,
        seed: int,
        *options: Any,
    ) -> Any:
        """function(draws of a batch, its part of the tree `given`) over all, joined."""
        if not 0 <= seed <= MAX_SEED:
            raise InputError(f"seed is from 0 to {MAX_SEED}, not {seed}")
        count = len(x if x is not None else jax.tree.leaves(given)[0])
        compiled = self._compiled(name, options, function)
        found = []
        for first in range(0, count, BATCH):
            rows = np.minimum(np.arange(first, first + BATCH), count - 1)
            part = jax.tree.map(lambda leaf, rows=rows: leaf[rows], given)
            images = None if x is None else x[rows]
            out = compiled(self.params, jax.random.key(seed), first, images, part)
            real = min(BATCH, count - first)
            found.append(jax.tree.map(lambda leaf, real=real: np.asarray(leaf[:real]), out))
        return jax.tree.map(lambda *parts: np.concatenate(parts), *found)

    @functools.cached_property
    def _programs(self) -> dict[Any, Any]:
        return {}

    def _compiled(self, name: str, options: tuple[Any, ...], function: Any) -> Any:
        if (name, options) not in self._programs:

            def run(params: Players, key: Array, first: Array, x: Array | None, given: Any) -> Any:
                noise, batch = Noise(example_keys(key, first, BATCH)), {}
                if x is not None:
                    batch["x"] = to_unit(x)
                scale = self.run.local_scale
                return function(Draws(self.run.game, params, noise, batch, 0, scale), given)

            self._programs[name, options] = jax.jit(run)
        return self._programs[name, options]
