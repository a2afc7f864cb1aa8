"""Paths as people write them, in which ~ is the home."""

from pathlib import Path

from iae_jax.errors import InputError, first_line


def expanded(path: str) -> Path:
    """A path in which ~ is the home. Raises: InputError for that of an unknown user."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{path} has no such home ({first_line(error)}): write the path in full"
        ) from error
