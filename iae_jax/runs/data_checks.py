"""The splits of a run side by side: what is refused, and what is said of them."""

from collections.abc import Mapping

from iae_jax.data import Source, title
from iae_jax.data.dataset import common
from iae_jax.data.sources import is_files
from iae_jax.errors import InputError


def check_splits(train: Source, others: Mapping[str, Source]) -> None:
    """Raises: InputError for a split whose examples have another shape or range than those of
    `train`. others: by their names."""
    for name, source in others.items():
        if (source.shape, source.values) != (train.shape, train.values):
            raise InputError(
                f"data.{name} has examples {list(source.shape)} of {source.values} values and "
                f"data.train {list(train.shape)} of {train.values} values: make them alike"
            )


def lines_about(name: str, train: Source, validation: Source, test: Source) -> list[str]:
    """What whoever trains on the data set `name` should know: of files, how many images and classes
    there are; what was done to read them; examples that are in two splits."""
    lines, splits = [], {"training": train, "validation": validation, "test": test}
    if is_files(name):
        counts = ", ".join(f"{len(source)} {split}" for split, source in splits.items())
        size = "x".join(map(str, train.shape))
        classes = f", {train.classes} classes" if train.classes else ", no labels"
        lines.append(f"{title(name)}: {counts} images of {size}{classes}")
    for source in splits.values():
        lines += [note for note in source.notes if note not in lines]
    for split, source in list(splits.items())[1:]:
        if both := common(train, source):
            lines.append(f"{both} of {len(source)} {split} examples are training examples too")
    return lines
