"""How a coloured image F(x, n) belongs to the grey x that it was made of.

Records. label_agreement: a classifier of grey digits sees the same class in the ink of F(x, n) as
in x, of one n. hue_entropy_share: the entropy of the hue given x, in bins, over that of as many
hues of the other set. saturation: the share of the ink that is colour, 1 in the other set, without
which a hue says little. hue_information: what the hue says of the label, in nats. cycle_error: mean
distance of a pixel of x and of G(F(x)); cycle_error_noisy: with N(0, 0.05) added to F(x), which
destroys what a translation has hidden in low bits (Chu et al. 2017).
"""

from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data import load, open_source
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.feature_classifier import feature_classifier
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.metrics.metric import PIXELS
from iae_jax.sampling.colours import hue_of, ink, saturation
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, to_unit
from iae_jax.types import Array, Code

HUES = 12  # bins of the hue
FIGURE_FILE = "translations.npz"
SHOWN, SHOWN_REPEATS = 12, 6  # images of the figure, and translations of each


def translations(
    trained: Trained,
    judge: str,
    split: str = "train",
    images: int = 1000,
    repeats: int = 64,
    directory: str = "",
    cache: str = "",
) -> Iterator[Measurement]:
    """Of the first images, with so many n for each.

    judge, split: the set of TFDS, and its images, that the classifier has learned from, whatever
    the run's are. directory: where TFDS keeps it, "" is its default. cache: where the classifier is
    kept.
    """
    x, labels = trained.x[:images], trained.all_labels[:images]
    unit, shape = to_unit(jnp.asarray(x)), trained.x.shape[1:]

    @jax.jit
    def encoded(key: Array) -> Array:
        draws = Draws(
            trained.game, trained.params, Noise(example_keys(key, 0, len(x))), {"x": unit}
        )
        assert draws.z.vector is not None
        return draws.z.vector

    @jax.jit
    def decoded(vector: Array) -> Array:
        keys = example_keys(jax.random.key(trained.seed), 0, len(x))
        draws = Draws(trained.game, trained.params, Noise(keys), {"x": unit})
        return draws.decode(Code(vector=vector), "local")

    keys = jax.random.split(jax.random.key(trained.seed), repeats)
    first = encoded(keys[0])
    colour = first.reshape(-1, *shape[:2], 3)
    if (labels >= 0).any():
        told = open_source(judge, split, directory or None)
        assert told.classes is not None
        folder = Path(cache or Path.home() / ".cache" / "iae_jax")
        seen = feature_classifier(judge, load(told), None, folder, told.classes)
        same = np.argmax(seen.apply(ink(colour))[0], axis=-1) == np.argmax(seen.apply(unit)[0], -1)
        yield Measurement("label_agreement", float(np.mean(same)), len(x), seen.extractor)
    hues = np.stack([np.asarray(hue_of(encoded(key).reshape(colour.shape))) for key in keys])
    bins = np.minimum((hues * HUES).astype(int), HUES - 1)
    drawn = np.random.default_rng(trained.seed).integers(0, HUES, bins.shape)
    own, of_data = (_entropies(one).mean() for one in (bins, drawn))
    yield Measurement("hue_entropy_share", float(own / of_data), len(x), PIXELS)
    yield Measurement("saturation", float(jnp.mean(saturation(colour))), len(x), PIXELS)
    if (labels >= 0).any():
        yield Measurement("hue_information", _information(bins, labels), len(x), PIXELS)
    noise = 0.05 * np.random.default_rng(trained.seed).standard_normal(first.shape)
    for name, code in (("cycle_error", first), ("cycle_error_noisy", first + noise)):
        error = float(jnp.mean(jnp.abs(decoded(jnp.asarray(code, jnp.float32)) - unit)))
        yield Measurement(name, error, len(x), PIXELS)
    if trained.folder is not None:
        there = [
            encoded(key)[:SHOWN].reshape(-1, *colour.shape[1:]) for key in keys[:SHOWN_REPEATS]
        ]
        again = decoded(first)[:SHOWN]
        write_npz(trained.folder / FIGURE_FILE, x=unit[:SHOWN], translated=there, again=again)


def _entropies(bins: np.ndarray) -> np.ndarray:
    """Of each column of i[R, N], in nats: f[N]."""
    shares = np.stack([(bins == one).mean(axis=0) for one in range(HUES)])
    return -np.sum(shares * np.log(np.maximum(shares, 1e-12)), axis=0)


def _information(bins: np.ndarray, labels: np.ndarray) -> float:
    """Between the hue and the label, both discrete, of all draws together: in nats."""
    known = labels >= 0
    table = np.zeros((HUES, int(labels.max()) + 1))
    for row in bins[:, known]:
        np.add.at(table, (row, labels[known]), 1.0)
    joint = table / table.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    there = joint > 0
    return float(np.sum(joint[there] * np.log(joint[there] / apart[there])))
