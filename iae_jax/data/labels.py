"""Which labels a semi-supervised run may read."""

import jax.numpy as jnp
import numpy as np

from iae_jax.data.dataset import Source
from iae_jax.errors import InputError
from iae_jax.types import Labelled

ALL = -1  # instead of a number of labels: every one there is


def subset(labels: np.ndarray, per_class: int, draw: int) -> np.ndarray:
    """Positions of the labelled images, as many of each class: a pure function.

    Args:
      labels: int[N]; -1 where there is none.
      per_class: >= 1, or `ALL` for every image that has a label.
      draw: >= 0; another draw is another subset.

    Returns:
      int64[M], ascending.

    Raises:
      InputError: no image has a label, or a class has too few.
    """
    known = np.flatnonzero(labels >= 0)
    if not len(known):
        raise InputError("no image of the training split has a label: use another data set")
    if per_class == ALL:
        return known
    if per_class < 1 or draw < 0:
        raise InputError(
            f"labels per class are {per_class} and the draw is {draw}; they must be at least 1 "
            "and 0"
        )
    shuffled = np.random.default_rng(draw).permutation(known)
    chosen = []
    for label in np.unique(labels[known]):
        own = shuffled[labels[shuffled] == label]
        if len(own) < per_class:
            raise InputError(
                f"class {label} has fewer than the {per_class} images that are to be labelled "
                f"({len(own)}): ask for fewer, or leave that class out of the set"
            )
        chosen.append(own[:per_class])
    return np.sort(np.concatenate(chosen))


def bank(
    source: Source, per_class: int, draw: int, categories: int
) -> tuple[np.ndarray, Labelled] | None:
    """(positions, images and labels) of what a run may read with its label, and no other label;
    None if `per_class` is 0. Errors: InputError as `subset`, or if there are not as many classes as
    the code has `categories`."""
    if not per_class:
        return None
    positions = subset(source.labels(), per_class, draw)
    images, labels = source.read(positions)
    found = np.unique(labels)
    if found[-1] >= len(found):
        raise InputError(
            f"the training split has {len(found)} classes, and labels from {found[0]} to "
            f"{found[-1]}: a set is needed whose labels are 0 to {len(found) - 1}"
        )
    if len(found) != categories:
        raise InputError(
            f"the training split has images of {len(found)} classes and the code {categories} "
            f"categories: set code.categories={len(found)}"
        )
    return positions, Labelled(jnp.asarray(images), jnp.asarray(labels))
