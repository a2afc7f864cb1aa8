"""How the files of a user are read: the fields of `config.Data` that say so."""

from typing import NamedTuple

from iae_jax.errors import InputError


class Reading(NamedTuple):
    """label_pattern: a regular expression whose group finds the label in the path of an image file.
    shuffled: False keeps the order of paths, or of an npz file, where the default is a random order
    that is always the same. labels: the path of a file of labels. size: image files are cropped and
    resized to size x size, 0: they have one size. arrays: which array of an npz file is which, as
    "images=x_train,labels=y_train"."""

    label_pattern: str = ""
    shuffled: bool = True
    labels: str = ""
    size: int = 0
    arrays: str = ""


# What each is for, beside "images:PATH".
_FOR = {
    "label_pattern": "images:PATH",
    "shuffled": "images:PATH or npz:PATH",
    "labels": "images:PATH or npz:PATH",
    "size": "images:PATH",
    "arrays": "npz:PATH",
}


def check_reading(reading: Reading, kind: str, name: str) -> None:
    """Raises: InputError for a field that would not be read. kind: images, npz, or another one of
    the data set `name`."""
    for field, value in reading._asdict().items():
        default = Reading._field_defaults[field]
        if value != default and f"{kind}:PATH" not in _FOR[field].split(" or "):
            leave = "true" if default is True else default or "empty"
            leave = "0" if field == "size" else leave
            raise InputError(
                f"data.{field} is for {_FOR[field]} and the data set is {name}: leave it {leave}"
            )
    if reading.labels and reading.label_pattern:
        raise InputError("data.labels and data.label_pattern are two sources of labels: leave one")
