"""The training of feature classifiers."""

import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iae_jax.data import Dataset
from iae_jax.networks.classifier import Classifier
from iae_jax.sampling.augmentation import recoloured
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array, Params

logger = logging.getLogger(__name__)

STEPS_PER_CALL = 200


class Recipe(NamedTuple):
    """How a classifier is trained.

    shift_pixels: largest random shift of a training image, each way. recolour: largest change of
    brightness, saturation and contrast, either way, see `recoloured`; a shift then repeats the
    pixels of the edge instead of 0. None: neither. network: one of `networks.classifier.NETWORKS`;
    None is the convolutional one.
    """

    steps: int
    batch_size: int = 100
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    shift_pixels: int = 2
    width: int = 32
    features: int = 64
    recolour: tuple[float, float, float] | None = None
    network: str | None = None


def recipe_of(shape: tuple[int, ...]) -> Recipe:
    """The recipe for images [H, W, C]. It was chosen on train[55000:] of MNIST, never on test; the
    changes of colour were not tuned."""
    if min(shape[:2]) < 16:
        return Recipe(steps=1600, shift_pixels=1)
    # A local code may change colours, and the class does not depend on them.
    return Recipe(steps=8000, recolour=(0.2, 0.4, 0.3) if shape[-1] == 3 else None)


def second_recipe(shape: tuple[int, ...]) -> Recipe:
    """Of the second classifier: another network, and colours as they are."""
    return recipe_of(shape)._replace(network="residual", width=24, recolour=None)


def fit(network: Classifier, train: Dataset, recipe: Recipe, seed: int) -> Params:
    """Cross-entropy, AdamW, one cosine; images are changed at random inside the jitted step."""
    size, height, width, channels = train.x.shape
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
    images, labels = jnp.asarray(train.x), jnp.asarray(train.labels)
    for first in range(0, recipe.steps, STEPS_PER_CALL):
        batches = order[first : first + STEPS_PER_CALL]
        carry, values = steps(carry, batches, first, images, labels)
        done = first + len(batches)
        logger.info("feature classifier: step %d/%d, loss %.4f", done, recipe.steps, values.mean())
    return jax.device_get(carry[0])
