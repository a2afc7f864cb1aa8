"""The feature classifier: a small classifier of images, trained once on a labelled set, that
evaluation relies on.

It decides whether a reconstruction is of the same class as the original (label agreement), and its
last hidden layer is the space of the Fréchet distance. Its hash is in every record that was
measured with it: two numbers compare only if their classifiers are the same. Floats differ between
machines, and so would a classifier that is trained again: MNIST's first is in this package, as
`feature_classifier` made it.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data import Dataset
from iae_jax.errors import InputError
from iae_jax.files.atomic import open_folder
from iae_jax.files.own_folder import own_folder
from iae_jax.metrics import classifier_files
from iae_jax.metrics.classifier_training import Recipe, fit, recipe_of
from iae_jax.networks.classifier import classifier
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array, Params

CACHE_FLAG = "--config.run.cache"
TEST_BATCH = 500


class FeatureClassifier(NamedTuple):
    """An `Extractor`.

    apply: jitted, images f32[B, H, W, C] in [0, 1] -> (logits f32[B, K], features f32[B, F]).
    classes: K. features: F. test_accuracy: of the test set, NaN without one. hash: SHA-256 of the
    parameters. seconds: of its training. name: of the data set.
    """

    apply: Callable[[Array], tuple[Array, Array]]
    classes: int
    features: int
    test_accuracy: float
    hash: str
    seconds: float
    name: str

    @property
    def extractor(self) -> str:
        """Its name in records, such as classifier/mnist/1a2b3c4d."""
        return f"classifier/{self.name}/{self.hash[:8]}"


def feature_classifier(
    name: str,
    train: Dataset,
    test: Dataset | None,
    cache: Path,
    classes: int,
    seed: int = 0,
    recipe: Recipe | None = None,
) -> FeatureClassifier:
    """The classifier of a data set: from this package, from the cache, or trained now (minutes for
    a set of MNIST's size) and cached.

    Args:
      name: of the data set, for the file and for records.
      train, test: images uint8[N, H, W, C] and labels int32[N]; label -1 is not used.
      cache: the directory of classifiers. Each belongs to its training images, recipe, seed and
        number of classes; another of these is another file.
      classes: labels are 0 ... classes - 1.
      recipe: None is `recipe_of` the images' shape.

    Raises:
      InputError: there are no usable labels, or the cache cannot be written, or others can.
    """
    train = _labelled(train, classes, "train")
    test = test and _labelled(test, classes, "test")
    if len(train.x) == 0:
        raise InputError(
            "a feature classifier learns from labels and the train split has none: set "
            "run.classifier=False"
        )
    shape = train.x.shape[1:]
    recipe = recipe or recipe_of(shape)
    kind = recipe.network or "convolutional"
    network = classifier(shape, classes, recipe.width, recipe.features, kind)
    name = re.sub(r"[^\w.-]+", "_", name)
    # Without fields that are None, so that files from before such a field keep their names.
    fields = {name: value for name, value in recipe._asdict().items() if value is not None}
    made_of: classifier_files.Metadata = {"recipe": fields, "classes": classes, "seed": seed}
    made_of["train"] = _hash(train)
    fingerprint = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    path = cache / f"{name}-{fingerprint[:12]}.npz"

    shapes = jax.eval_shape(network.init, jax.random.key(0))
    shipped = classifier_files.shipped(path.name, shapes)
    if shipped is None:
        own_folder(cache, CACHE_FLAG)
    cached = shipped or classifier_files.cached(path, shapes)
    if cached is None:
        # Before minutes of training, not after.
        open_folder(cache, CACHE_FLAG)
        classifier_files.known()
        start = time.monotonic()
        params = fit(network, train, recipe, seed)
        metadata = {**made_of, "hash": _hash(params), "seconds": time.monotonic() - start}
    else:
        params, metadata = cached
    on_device = jax.tree.map(jnp.asarray, params)

    @jax.jit
    def apply(images: Array) -> tuple[Array, Array]:
        return network.apply(on_device, images)

    # A cached classifier may have been made without this test set.
    tested = test and _hash(test)
    if cached is None or (test and metadata.get("test") != tested):
        metadata |= {"test": tested, "test_accuracy": _accuracy(apply, test) if test else None}
        if not shipped:
            classifier_files.save(path, params, metadata)
    accuracy = metadata["test_accuracy"]
    return FeatureClassifier(
        apply=apply,
        classes=classes,
        features=recipe.features,
        test_accuracy=float("nan") if accuracy is None else accuracy,
        hash=metadata["hash"],
        seconds=metadata["seconds"],
        name=name,
    )


def _labelled(data: Dataset, classes: int, split: str) -> Dataset:
    """The examples that have a label. Raises: InputError for a label out of range."""
    known = data.labels >= 0
    if np.any(data.labels >= classes):
        raise InputError(
            f"the {split} split has label {data.labels.max()} and the feature classifier {classes} "
            f"classes: give it {data.labels.max() + 1}"
        )
    return data if known.all() else Dataset(data.x[known], data.labels[known])


def _accuracy(apply: Callable[[Array], tuple[Array, Array]], test: Dataset) -> float | None:
    """The share of labels that it predicts; None if there are none."""
    if len(test.x) == 0:
        return None
    found = 0
    # Any shape of batch is right here; at most two are compiled.
    for start in range(0, len(test.x), TEST_BATCH):
        batch = slice(start, start + TEST_BATCH)
        logits, _ = apply(to_unit(jnp.asarray(test.x[batch])))
        found += int(np.sum(np.argmax(logits, axis=-1) == test.labels[batch]))
    return found / len(test.x)


def _hash(arrays: Params) -> str:
    """SHA-256 of the arrays' shapes, types and bytes, in tree order."""
    leaves = [np.ascontiguousarray(leaf) for leaf in jax.tree.leaves(arrays)]
    described = [f"{leaf.dtype}{leaf.shape}" for leaf in leaves]
    digest = hashlib.sha256(" ".join(described).encode())
    for leaf in leaves:
        digest.update(leaf.data)
    return digest.hexdigest()
