"""What is given to a loaded model, checked: each raises an InputError saying what is expected."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError, first_line
from iae_jax.types import Code, Prior

MAX_ROUNDING = 1e-3  # of a sum of probabilities


def whole(number: Any, name: str, low: int, high: int | None = None) -> int:
    """A whole number from low (to high)."""
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
        raise InputError(f"{name} is a whole number, not {type(number).__name__}")
    if number < low or (high is not None and number > high):
        there = f"at least {low}" if high is None else f"from {low} to {high}"
        raise InputError(f"{name} is {there}, not {number}")
    return int(number)


def check_category(prior: Prior, category: Any) -> None:
    categories = prior.categories
    known = isinstance(category, (int, np.integer)) and not isinstance(category, bool)
    if not known or not 0 <= category < categories:
        there = f"one of {categories}, from 0" if categories else "of models with categories"
        raise InputError(f"a category is {there}, not {category}")


def array(values: Any, name: str) -> np.ndarray:
    """Numbers in one array. Raises: InputError for anything else, as rows of several lengths."""
    try:
        found = np.asarray(values)
    except Exception as error:  # a key of JAX, an array that was donated, ragged lists
        raise InputError(f"{name} is no array of numbers: {first_line(error)}") from error
    if found.dtype.kind not in "uifb":
        raise InputError(f"{name} is an array of numbers, not of {found.dtype}")
    return found


def images(x: Any, shape: tuple[int, ...], values: str) -> np.ndarray:
    """x as the model reads it: uint8, or f32. values: see `Model`."""
    x = array(x, "x")
    if x.shape[1:] != shape or not len(x):
        expected = ["N", *shape]
        raise InputError(f"x is [{', '.join(map(str, expected))}], not {list(x.shape)}")
    if x.dtype == np.uint8 and values == "unit":
        if x.max() == 1:
            raise InputError(
                "x is uint8 with only the values 0 and 1 of 255, which is black: give masks as "
                "x.astype('float32'), images that dark as x / 255"
            )
        return x
    if not np.issubdtype(x.dtype, np.floating):
        kinds = "uint8 or floats" if values == "unit" else "floats"
        raise InputError(f"x is {kinds}, not {x.dtype}: {_as_read(x, values)}")
    low, high = float(x.min()), float(x.max())
    if not np.isfinite([low, high]).all():
        raise InputError("x has values that are not finite")
    if values == "unit" and (low < 0 or high > 1):
        raise InputError(
            f"floats are in [0, 1], not from {low:g} to {high:g}: divide, or give uint8"
        )
    return x.astype(np.float32)


def _as_read(x: np.ndarray, values: str) -> str:
    """How to make numbers that are no floats into what the model reads."""
    low, high = x.min(), x.max()
    if values != "unit" or (low >= 0 and high <= 1):
        return "x.astype('float32')"
    if low >= 0 and high <= 255:
        return "x.astype('uint8')"
    if x.dtype == np.uint16:
        return "(x // 257).astype('uint8') if they are of 16 bits"
    return "scale it to floats in [0, 1]"


def floats(values: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """f32 of this shape. name: for messages."""
    values = array(values, name)
    if values.shape != shape or not np.issubdtype(values.dtype, np.floating):
        raise InputError(f"{name} is floats {list(shape)}, not {values.dtype} {list(values.shape)}")
    if not np.isfinite(values).all():
        raise InputError(f"{name} has values that are not finite")
    return values.astype(np.float32)


def codes(prior: Prior, vector: Any, category: Any) -> Code:
    """z as a generator reads it, of a model with this prior."""
    for name, given, size in (
        ("vector", vector, prior.size),
        ("category", category, prior.categories),
    ):
        if (given is None) == bool(size):
            raise InputError(f"the codes of this model have {'a' if size else 'no'} {name}")
    first = array(
        category if vector is None else vector, "category" if vector is None else "vector"
    )
    if not first.ndim or not len(first):
        raise InputError("there are no codes: give at least one row")
    count = len(first)
    if vector is not None:
        vector = floats(vector, "vector", (count, prior.size))
    if category is not None:
        category = array(category, "category")
        if category.ndim == 1 and np.issubdtype(category.dtype, np.integer):
            if len(category) != count:
                raise InputError(f"{count} vectors and {len(category)} categories")
            if category.min() < 0 or category.max() >= prior.categories:
                raise InputError(f"a category is one of {prior.categories}, from 0")
            category = np.eye(prior.categories, dtype=np.float32)[category]
        category = floats(category, "category", (count, prior.categories))
        if category.min() < 0 or np.abs(category.sum(axis=1) - 1).max() > MAX_ROUNDING:
            raise InputError("probabilities of categories are at least 0, and a row's sum is 1")
    own, other = (None if one is None else jnp.asarray(one) for one in (vector, category))
    return Code(own, other, other)
