"""A game whose answers are known: z = x and x_hat = x + 0.1, and how it is measured."""

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.metrics import evaluate
from iae_jax.metrics.evaluate import Trained
from iae_jax.metrics.feature_classifier import FeatureClassifier
from iae_jax.objectives.grid import cell
from iae_jax.sampling import priors
from iae_jax.types import Encoder, Encoding, Game, Generator, Players

N, SHAPE = 23, (4, 3, 1)
RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 200, (N, *SHAPE), dtype=np.uint8)
LABELS = RNG.integers(0, 3, N).astype(np.int32)
UNIT = IMAGES.astype(np.float64) / 255
NO_PARAMS = Players({}, {})


def identity_encoder(params, x, noise):
    return Encoding(vector=x.reshape(x.shape[0], -1))


def shifted_copy(params, z, noise):
    """x + 0.1 + local code, with z = x."""
    x_hat = z.vector.reshape(-1, *SHAPE) + 0.1
    return x_hat + noise.reshape(-1, *SHAPE) if noise.shape[-1] else x_hat


def copying_game(local=0, encoder=True, prior=None):
    networks = Players(
        Encoder(lambda key: {}, identity_encoder, 0, False) if encoder else None,
        Generator(lambda key: {}, shifted_copy, local),
    )
    return Game(networks, prior or priors.gaussian(12), cell("none"), Players(), ())


def brightness_classifier(threshold=0.45):
    """Class 1 for images that are brighter than the threshold; features: the first 5 pixels."""

    def apply(images):
        flat = images.reshape(images.shape[0], -1)
        bright = flat.mean(axis=-1)
        return jnp.stack([jnp.full_like(bright, threshold), bright], axis=-1), flat[:, :5]

    return FeatureClassifier(jax.jit(apply), 2, 5, 1.0, "0123456789abcdef", 0.0, "bright")


def measured(game, extractor=None, x=IMAGES, labels=LABELS, params=NO_PARAMS, **options):
    options = {"split": "test", "seed": 3, "batch_size": 10, "extractor": extractor} | options
    config_hash = options.pop("config_hash", "")
    records = evaluate.evaluate(Trained(game, params, x, labels, **options), (), config_hash)
    assert len({record.metric for record in records}) == len(records)
    return {record.metric: record for record in records}


def values(records):
    return {name: record.value for name, record in records.items()}
