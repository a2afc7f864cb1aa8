"""Labels of a semi-supervised run: which examples it may read with their label."""

import jax.numpy as jnp
import numpy as np

from iae_jax.data.dataset import Source
from iae_jax.errors import InputError
from iae_jax.types import Labelled

ALL = -1  # in place of a number of labels: all there are


def subset(labels: np.ndarray, per_class: int, draw: int) -> np.ndarray:
    """Positions of the labelled examples, the same number of each class: a pure function.

    Args:
      labels: int[N]; -1 for an example without a label.
      per_class: at least 1, or `ALL` for every example that has a label.
      draw: at least 0; another number gives another subset.

    Returns:
      int64[M], ascending.

    Raises:
      InputError: there are no labels, or too few of a class.
    """
    available = np.flatnonzero(labels >= 0)
    if not len(available):
        raise InputError(
            "no example of the training split has a label: name some by data.labels or "
            "data.label_pattern, or use another data set"
        )
    if per_class == ALL:
        return available
    if per_class < 1 or draw < 0:
        raise InputError(
            f"there are {per_class} labels per class and draw is {draw}: they must be at least 1 "
            "and 0"
        )
    shuffled = np.random.default_rng(draw).permutation(available)
    chosen = []
    for label in np.unique(labels[available]):
        of_class = shuffled[labels[shuffled] == label]
        if len(of_class) < per_class:
            raise InputError(
                f"class {label} has {len(of_class)} examples and {per_class} labels per class were "
                "asked for: set fewer data.labels_per_class, or -1 for all"
            )
        chosen.append(of_class[:per_class])
    return np.sort(np.concatenate(chosen))


def labelled(
    source: Source, per_class: int, draw: int, categories: int
) -> tuple[np.ndarray, Labelled]:
    """The examples that a run may read with their label; it reads no other label.

    Args:
      source: the training split.
      per_class, draw: as for `subset`.
      categories: the number of categories of the code.

    Returns:
      Their positions, int64[M], and the examples.

    Raises:
      InputError: as `subset`; or the number of classes is not the number of categories.
    """
    positions = subset(source.labels(), per_class, draw)
    x, labels = source.read(positions)
    found = np.unique(labels)
    if found[-1] >= len(found):
        raise InputError(
            f"the training split has {len(found)} classes, with labels from {found[0]} to "
            f"{found[-1]}: use a data set whose labels are 0 to {len(found) - 1}"
        )
    if len(found) != categories:
        raise InputError(
            f"the training split has {len(found)} classes and the code {categories} categories: "
            f"set code.categories={len(found)}"
        )
    return positions, Labelled(jnp.asarray(x), jnp.asarray(labels))
