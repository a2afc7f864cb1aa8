"""What is given to a loaded model, checked: each raises an InputError saying what is expected."""

import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.types import Code, Prior


def images(x: np.ndarray, shape: tuple[int, ...], values: str) -> np.ndarray:
    """x as the model reads it: uint8, or f32. values: see `Model`."""
    x = np.asarray(x)
    if x.shape[1:] != shape or not len(x):
        expected = ["N", *shape]
        raise InputError(f"x is [{', '.join(map(str, expected))}], not {list(x.shape)}")
    if x.dtype == np.uint8:
        return x
    if not np.issubdtype(x.dtype, np.floating):
        raise InputError(f"x is uint8 or floats, not {x.dtype}: x.astype('uint8')?")
    low, high = float(x.min()), float(x.max())
    if not np.isfinite([low, high]).all():
        raise InputError("x has values that are not finite")
    if values == "unit" and (low < 0 or high > 1):
        raise InputError(
            f"floats are in [0, 1], not from {low:g} to {high:g}: divide, or give uint8"
        )
    return x.astype(np.float32)


def floats(values: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """f32 of this shape. name: for messages."""
    values = np.asarray(values)
    if values.shape != shape or not np.issubdtype(values.dtype, np.floating):
        raise InputError(f"{name} is floats {list(shape)}, not {values.dtype} {list(values.shape)}")
    return values.astype(np.float32)


def codes(prior: Prior, vector: np.ndarray | None, category: np.ndarray | None) -> Code:
    """z as a generator reads it, of a model with this prior."""
    for name, given, size in (
        ("vector", vector, prior.size),
        ("category", category, prior.categories),
    ):
        if (given is None) == bool(size):
            raise InputError(f"the codes of this model have {'a' if size else 'no'} {name}")
    count = len(np.asarray(category if vector is None else vector))
    if vector is not None:
        vector = floats(vector, "vector", (count, prior.size))
    if category is not None:
        category = np.asarray(category)
        if category.ndim == 1 and np.issubdtype(category.dtype, np.integer):
            if len(category) != count or not count:
                raise InputError(f"{count} vectors and {len(category)} categories")
            if category.min() < 0 or category.max() >= prior.categories:
                raise InputError(f"a category is one of {prior.categories}, from 0")
            category = np.eye(prior.categories, dtype=np.float32)[category]
        category = floats(category, "category", (count, prior.categories))
    own, other = (None if one is None else jnp.asarray(one) for one in (vector, category))
    return Code(own, other, other)
