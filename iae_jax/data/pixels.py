"""Pixels as people store them (floats, masks, channels first) as uint8[N, H, W, C], or refused."""

from typing import NamedTuple

import numpy as np

from iae_jax.errors import InputError

CHANNELS = (1, 2, 3, 4)  # that images mostly have
DARK = 32  # an 8-bit set without a brighter value is said to be dark


class _Range(NamedTuple):
    """What the numbers of an array mean: a scale for messages, and to 0 ... 255 by (x + shift) *
    factor. note: a line that says so, or ""."""

    scale: str
    factor: float = 1.0
    shift: float = 0.0
    note: str = ""


def as_pixels(arrays: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Arrays of images by their name, all uint8[N, H, W, C], and lines about what was done.

    Args:
      arrays: [N, H, W, C] or [N, H, W]; whole numbers from 0 to 255, floats in [0, 1], [-1, 1] or
        [0, 255], masks of 0 and 1, or bool.

    Raises:
      InputError: axes in another order, numbers of another range, or another range in each array.
    """
    found, notes = {}, []
    for name, x in arrays.items():
        found[name], note = _with_channels(x, name)
        notes += [note] if note else []
    arrays = found
    ranges = {name: _range(x, name) for name, x in arrays.items()}
    scales = {one.scale for one in ranges.values()}
    if len(scales) > 1:
        said = ", ".join(f"{name} has {one.scale}" for name, one in ranges.items())
        raise InputError(f"{said}: give all of them one scale, such as uint8 from 0 to 255")
    for name, x in arrays.items():
        _, factor, shift, note = ranges[name]
        if x.dtype != np.uint8 or factor != 1:
            x = np.rint((x.astype(np.float32) + shift) * factor).astype(np.uint8)
        found[name] = x
        notes += [f"{name}: {note}"] if note else []
    return found, tuple(notes)


def check_layout(shape: tuple[int, ...], what: str) -> str:
    """A line about images [N, *shape] that have more channels than most, or "".

    Raises:
      InputError: axes that are, or seem to be, in another order than [N, H, W, C].
    """
    if len(shape) != 3 or shape[-1] in CHANNELS:
        return ""
    one, two, three = shape
    # Images have fewer channels than rows, and mostly as many columns as rows.
    first = one in CHANNELS or one < min(two, three) or two == three != one
    for found, said, order in (
        (first, "channels first", "0, 2, 3, 1"),
        (two in CHANNELS, "images last", "3, 0, 1, 2"),
    ):
        if found:
            raise InputError(
                f"{what}, {said}: make it [N, H, W, C], as by numpy.transpose(images, ({order}))"
            )
    return f"{what}: {three} channels of {one}x{two}"


def check_examples(x: np.ndarray, name: str) -> None:
    """A look at some examples [n, ...] of a data set of images, uint8 or in [0, 1].

    Raises:
      InputError: for what would be trained in vain: another order of axes, all examples the same,
        or masks of 0 and 1 of 255.
    """
    check_layout(x.shape[1:], f"images of {name} are [N, {', '.join(map(str, x.shape[1:]))}]")
    if len(x) > 1 and (x == x[0]).all():
        raise InputError(
            f"{len(x)} examples of {name} that were looked at are all the same: there is nothing "
            "to learn; check the files"
        )
    if x.dtype == np.uint8 and x.max() <= 1:
        raise InputError(
            f"the images of {name} have only the values 0 and 1 of 255, which is black: multiply "
            "masks by 255"
        )


def _with_channels(x: np.ndarray, name: str) -> tuple[np.ndarray, str]:
    """[N, H, W, C], and a line as of `check_layout`."""
    kind = f"{name} is {x.dtype}{list(x.shape)}"
    if x.ndim == 3 and x.shape[2] in (3, 4) and x.shape[1] >= 8:
        raise InputError(
            f"{kind}, which looks like one image [H, W, C]: give [N, H, W, C]; grey images of this "
            "width as [N, H, W, 1]"
        )
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.size == 0:
        raise InputError(
            f"{kind}; make it uint8[N, H, W, C] or uint8[N, H, W], 0 to 255: flat images by reshape"
        )
    return x, check_layout(x.shape[1:], kind)


def _range(x: np.ndarray, name: str) -> _Range:
    kind = x.dtype.kind
    if kind == "b":
        return _Range("False and True", 255, note="False and True are read as 0 and 255")
    if kind not in "iuf":
        raise InputError(f"{name} is {x.dtype}, no numbers: make it uint8[N, H, W, C], 0 to 255")
    low, high = x.min(), x.max()
    said = f"{name} is {x.dtype} from {low:g} to {high:g}"
    if not np.isfinite([low, high]).all():
        raise InputError(f"{name} has values that are not finite: remove these images")
    if kind == "f":
        if low >= 0 and high <= 1:
            return _Range("0 to 1", 255, note=f"{x.dtype} in [0, 1] is rounded to 8 bits")
        if -1 <= low <= -0.9 and 0.9 <= high <= 1:
            return _Range(
                "-1 to 1", 127.5, 1, f"{x.dtype} in [-1, 1] is read as [0, 255], of 8 bits"
            )
        if low >= 0 and 128 <= high <= 255:
            return _Range("0 to 255", note=f"{x.dtype} in [0, 255] is rounded to 8 bits")
        raise InputError(f"{said}: scale it to [0, 1], [-1, 1] or [0, 255]")
    if low >= 0 and high <= 1:
        return _Range("0 and 1", 255, note="0 and 1 are read as 0 and 255")
    if low >= 0 and high <= 255:
        lines = [] if x.dtype == np.uint8 else [f"{x.dtype} from 0 to 255 is read as uint8"]
        if high < DARK:
            lines.append(f"no value is above {high} of 255, which is dark: are they of 8 bits?")
        return _Range("0 to 255", note="; ".join(lines))
    how = ", for 16 bits (images // 257).astype('uint8')" if low >= 0 else ""
    raise InputError(f"{said}: make it uint8, 0 to 255{how}")
