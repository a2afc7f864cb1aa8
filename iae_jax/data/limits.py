"""How much is read of files that somebody else may have made, of which a small one can claim, or
unpack to, more than a machine holds."""

from dataclasses import dataclass

from iae_jax.errors import InputError
from iae_jax.types import Section

MEGABYTE = 2**20


@dataclass
class Limits(Section):
    """The most that is read of a user's files. pixels: of one image. entries: files in a zip, or
    arrays in an npz. file_megabytes: of one file of images or labels, unpacked. megabytes: of all
    files of a zip, unpacked, or of the arrays of an npz that are read."""

    pixels: int = 2**26
    entries: int = 100_000
    file_megabytes: int = 256
    megabytes: int = 8192

    def check_bytes(self, field: str, size: int, what: str) -> None:
        """Raises: InputError for a size above a limit in megabytes. what: has it, for the
        message."""
        if size > getattr(self, field) * MEGABYTE:
            megabytes = -(-size // MEGABYTE)
            raise self.above(field, megabytes, f"{what} {megabytes} MB")

    def above(self, field: str, number: int, what: str) -> InputError:
        """The error of what is larger than it may be. number: that would allow it."""
        return InputError(
            f"{what}, and the limit is {getattr(self, field)}: make it smaller, or, if you trust "
            f"it, set --config.run.limits.{field}={number}"
        )
