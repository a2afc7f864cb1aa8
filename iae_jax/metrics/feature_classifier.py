"""The judge: a small classifier, trained once on a labelled set, that evaluation trusts.

It says whether a reconstruction still shows what the original showed (label agreement), and its
last hidden layer is the space of the Fréchet distance. Its hash goes into every record that was
measured with it: two numbers compare only if their judges are the same. Floats differ between
machines, and so would a judge that is trained anew: MNIST's is in this package, as `judge_of` made
it.
"""

import hashlib
import json
import logging
import re
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iae_jax.data import Dataset
from iae_jax.errors import InputError
from iae_jax.files.atomic import write_npz
from iae_jax.networks.classifier import Classifier, classifier
from iae_jax.sampling.augmentation import recoloured
from iae_jax.sampling.draws import to_unit
from iae_jax.types import Array, Params

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "classifiers"
STEPS_PER_CALL = 200
TEST_BATCH = 500

Metadata = dict[str, Any]


class Recipe(NamedTuple):
    """How a judge is made. shift_pixels: largest random shift of a training image, each way.
    recolour: largest change of brightness, saturation and contrast, either way, see `recoloured`;
    what a shift brings in is then the edge's pixels instead of 0. None: neither."""

    steps: int
    batch_size: int = 100
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    shift_pixels: int = 2
    width: int = 32
    features: int = 64
    recolour: tuple[float, float, float] | None = None


def recipe_of(shape: tuple[int, ...]) -> Recipe:
    """The recipe for images [H, W, C]. It was chosen on train[55000:] of MNIST, never on test;
    how much colours change is not measured yet."""
    if min(shape[:2]) < 16:
        return Recipe(steps=1600, shift_pixels=1)
    # What an image is of does not change with its colours, which a local code may change.
    return Recipe(steps=8000, recolour=(0.2, 0.4, 0.3) if shape[-1] == 3 else None)


class Judge(NamedTuple):
    """apply: jitted, images f32[B, H, W, C] in [0, 1] -> (logits f32[B, K], features f32[B, F]).
    classes: K. features: F. test_accuracy: of the test set, NaN without one. hash: SHA-256 of the
    parameters. seconds: what the training took. name: of the data set."""

    apply: Callable[[Array], tuple[Array, Array]]
    classes: int
    features: int
    test_accuracy: float
    hash: str
    seconds: float
    name: str

    @property
    def extractor(self) -> str:
        """The judge's name in records, such as judge/mnist/1a2b3c4d."""
        return f"judge/{self.name}/{self.hash[:8]}"


def judge_of(
    name: str,
    train: Dataset,
    test: Dataset | None,
    cache: Path,
    classes: int,
    seed: int = 0,
    recipe: Recipe | None = None,
) -> Judge:
    """The judge of a data set: from this package, from the cache, or trained now (minutes for a set
    of MNIST's size) and cached.

    Args:
      name: of the data set, for the file and for records.
      train, test: images uint8[N, H, W, C] and labels int32[N]; label -1 is not used.
      cache: the directory of judges. A judge belongs to its training images, recipe, seed and
        number of classes; another of these is another file.
      classes: labels are 0 ... classes - 1.
      recipe: None is `recipe_of` the images' shape.

    Errors: InputError if there are no usable labels, or if the cache cannot be written.
    """
    train = _labelled(train, classes, "train")
    test = test and _labelled(test, classes, "test")
    if len(train.images) == 0:
        raise InputError("a judge learns from labels and the train split has none: judge=False")
    shape = train.images.shape[1:]
    recipe = recipe or recipe_of(shape)
    network = classifier(shape, classes, recipe.width, recipe.features)
    name = re.sub(r"[^\w.-]+", "_", name)
    # Without what it does without, so that judges of before that field have their names.
    told = {name: value for name, value in recipe._asdict().items() if value is not None}
    made_of: Metadata = {"recipe": told, "classes": classes, "seed": seed}
    made_of["train"] = _hash(train)
    fingerprint = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    path = cache / f"{name}-{fingerprint[:12]}.npz"

    shapes = jax.eval_shape(network.init, jax.random.key(0))
    shipped = _load(SHIPPED / path.name, shapes)
    cached = shipped or _load(path, shapes)
    if cached is None:
        _check_writable(cache)
        start = time.monotonic()
        params = _train(network, train, recipe, seed)
        metadata = {**made_of, "hash": _hash(params), "seconds": time.monotonic() - start}
    else:
        params, metadata = cached
    on_device = jax.tree.map(jnp.asarray, params)

    @jax.jit
    def apply(images: Array) -> tuple[Array, Array]:
        return network.apply(on_device, images)

    # A cached judge may have been made without this test set.
    tested = test and _hash(test)
    if cached is None or (test and metadata.get("test") != tested):
        metadata |= {"test": tested, "test_accuracy": _accuracy(apply, test) if test else None}
        if not shipped:
            _save(path, params, metadata)
    accuracy = metadata["test_accuracy"]
    return Judge(
        apply=apply,
        classes=classes,
        features=recipe.features,
        test_accuracy=float("nan") if accuracy is None else accuracy,
        hash=metadata["hash"],
        seconds=metadata["seconds"],
        name=name,
    )


def _labelled(data: Dataset, classes: int, split: str) -> Dataset:
    """The examples that have a label. Errors: InputError for a label out of range."""
    known = data.labels >= 0
    if np.any(data.labels >= classes):
        raise InputError(
            f"the {split} split has label {data.labels.max()} and the judge {classes} classes: "
            f"give it {data.labels.max() + 1}"
        )
    return data if known.all() else Dataset(data.images[known], data.labels[known])


def _train(network: Classifier, train: Dataset, recipe: Recipe, seed: int) -> Params:
    """Cross-entropy, AdamW, one cosine; images are changed at random inside the jitted step."""
    size, height, width, channels = train.images.shape
    batch_size, pad = min(recipe.batch_size, size), recipe.shift_pixels
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, recipe.learning_rate, recipe.steps // 20, recipe.steps
    )
    optimizer = optax.adamw(schedule, b2=0.99, weight_decay=recipe.weight_decay)
    init_key, change_key = jax.random.split(jax.random.key(seed))
    recolour = recipe.recolour

    def changed(images: Array, step: Array) -> Array:
        key = jax.random.fold_in(change_key, step)
        corners = jax.random.randint(key, (batch_size, 2), 0, 2 * pad + 1)
        x = jnp.pad(
            images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), "edge" if recolour else "constant"
        )

        def crop(x: Array, corner: Array) -> Array:
            return jax.lax.dynamic_slice(x, (*corner, 0), (height, width, channels))

        x = to_unit(jax.vmap(crop)(x, corners))
        if recolour is None:
            return x
        own = jax.random.uniform(jax.random.fold_in(key, 1), (batch_size, 3), minval=-1.0)
        return jnp.clip(jax.vmap(recoloured)(x, own * jnp.array(recolour)), 0, 1)

    def loss(params: Params, x: Array, labels: Array) -> Array:
        logits, _ = network.apply(params, x)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))

    Carry = tuple[Params, optax.OptState]

    @jax.jit
    def steps(
        carry: Carry, batches: Array, first: int, images: Array, labels: Array
    ) -> tuple[Carry, Array]:
        def body(carry: Carry, batch: tuple[Array, Array]) -> tuple[Carry, Array]:
            (params, state), (indices, step) = carry, batch
            x = changed(images[indices], step)
            value, gradient = jax.value_and_grad(loss)(params, x, labels[indices])
            updates, state = optimizer.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), value

        return jax.lax.scan(body, carry, (batches, first + jnp.arange(len(batches))))

    rng = np.random.default_rng(seed)
    epochs = -(-recipe.steps * batch_size // size)
    order = np.concatenate([rng.permutation(size).astype(np.int32) for _ in range(epochs)])
    order = order[: recipe.steps * batch_size].reshape(recipe.steps, batch_size)
    params = network.init(init_key)
    carry = params, optimizer.init(params)
    images, labels = jnp.asarray(train.images), jnp.asarray(train.labels)
    for first in range(0, recipe.steps, STEPS_PER_CALL):
        batches = order[first : first + STEPS_PER_CALL]
        carry, values = steps(carry, batches, first, images, labels)
        done = first + len(batches)
        logger.info("judge: step %d/%d, loss %.4f", done, recipe.steps, values.mean())
    return jax.device_get(carry[0])


def _accuracy(apply: Callable[[Array], tuple[Array, Array]], test: Dataset) -> float | None:
    """The fraction of labels that the judge finds; None if there are none."""
    if len(test.images) == 0:
        return None
    found = 0
    # Any shape of batch is right here; at most two are compiled.
    for start in range(0, len(test.images), TEST_BATCH):
        batch = slice(start, start + TEST_BATCH)
        logits, _ = apply(to_unit(jnp.asarray(test.images[batch])))
        found += int(np.sum(np.argmax(logits, axis=-1) == test.labels[batch]))
    return found / len(test.images)


def _hash(arrays: Params) -> str:
    """SHA-256 of the arrays' shapes, types and bytes, in tree order."""
    leaves = [np.ascontiguousarray(leaf) for leaf in jax.tree.leaves(arrays)]
    described = [f"{leaf.dtype}{leaf.shape}" for leaf in leaves]
    digest = hashlib.sha256(" ".join(described).encode())
    for leaf in leaves:
        digest.update(leaf.data)
    return digest.hexdigest()


# What reading a damaged npz file raises, besides the errors of its compression.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError)


def _load(path: Path, shapes: Params) -> tuple[Params, Metadata] | None:
    """(params, metadata) of a cached judge; None if there is none, or none that can be trusted."""
    if not path.exists():
        return None
    leaves, tree = jax.tree.flatten(shapes)
    try:
        # A pickle inside a file may run any code, so object arrays are refused.
        with np.load(path, allow_pickle=False) as file:
            metadata = json.loads(str(file["metadata"]))
            arrays = [file[f"leaf_{i}"] for i in range(len(leaves))]
        params = jax.tree.unflatten(tree, arrays)
        if _hash(params) != metadata["hash"]:
            raise ValueError("its parameters do not have the hash that it names")
        if [a.shape for a in arrays] != [leaf.shape for leaf in leaves]:
            raise ValueError("it is of another network")
        accuracy = metadata["test_accuracy"]
        if not isinstance(metadata["seconds"], float) or not isinstance(accuracy, float | None):
            raise ValueError("it does not say how it was made")
    except (*_DAMAGE, zipfile.BadZipFile, zlib.error) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        logger.warning("the cached judge %s is damaged (%s): training it again", path, why)
        return None
    return params, metadata


def _check_writable(cache: Path) -> None:
    """Before minutes of training, not after."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except OSError as error:
        raise InputError(
            f"cannot keep a judge in {cache} ({error.strerror}): choose another cache directory"
        ) from error


def _save(path: Path, params: Params, metadata: Metadata) -> None:
    """Atomically: a reader finds the whole file or none."""
    arrays = {f"leaf_{i}": leaf for i, leaf in enumerate(jax.tree.leaves(params))}
    write_npz(path, metadata=np.array(json.dumps(metadata)), **arrays)
