"""Pictures for every place of some sliders, made beforehand: the part of a page that is moved.

The decoder could run in the browser instead, and show every code. It would have to be written
again, for each kind of network, prior and posterior, in another language, and an error there would
look like a model's. The sheets here are what `Model.decode` gives, of any model, a generator of
one's own included, and the page stays a file that an old browser reads. Their price: one direction
moves at a time, in steps, from a few codes.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from iae_jax.files.figures import drawable
from iae_jax.files.sheet import sheet
from iae_jax.runs.directions import Directions, directions
from iae_jax.runs.loaded import Model
from iae_jax.runs.plane import CLOUD, SIDE, Plane

POSITIONS = np.linspace(-2.0, 2.0, 11, dtype=np.float32)  # SDs along a direction
ANGLES = np.arange(0, 360, 15, dtype=np.float32)  # degrees along a circle of local codes
# What is tried until it fits: directions, codes to start from, local codes.
SIZES = ((8, 4, 3), (8, 3, 2), (8, 2, 2), (8, 2, 1), (6, 1, 1), (4, 1, 1), (2, 1, 1), (1, 1, 1))
MAX_PIXELS = {1: 2_400_000, 3: 3_000_000}  # of all sheets; a value takes at most 4 / 3 bytes
MAX_PICTURES, MAX_SLOW = 6_000, 300  # that are decoded; of a generator that is slow
CODES = 1_000  # draws of the prior, of each category
CHUNK = 1000  # pictures at once


class Panel(NamedTuple):
    """One slider and its sheet. Rows of the sheet: the categories; for each of them the codes to
    start from; for each of them the local codes, if `locals` is above 1. Columns: the places of the
    slider.

    name: of the slider. note: more about it. texts: of its places. middle: where it starts.
    """

    name: str
    note: str
    texts: list[str]
    middle: int
    locals: int
    png: bytes


class Explorer(NamedTuple):
    """width, height: of a picture, pixels. categories: their names. starts, locals: how many.
    limits: of the axes, for points of the plane, else None. codes: from which every picture is
    made, see `_numbers`."""

    panels: list[Panel]
    width: int
    height: int
    categories: list[str]
    starts: int
    locals: int
    limits: list[list[float]] | None
    codes: dict[str, Any]


def explorer(model: Model) -> Explorer | str:
    """The explorer of a model, or a sentence that says why there is none."""
    generator, prior = model.run.game.networks.generator, model.run.game.prior
    if generator is None:
        return "This model has no generator, so there is nothing to move."
    if not drawable(model.shape):
        return (
            f"An example has the shape {list(model.shape)}: only images of 1 or 3 channels and "
            "points of the plane can be shown."
        )
    planar, categories = len(model.shape) == 1, max(1, prior.categories)
    pixels = SIDE**2 if planar else model.shape[0] * model.shape[1]
    most = min(
        MAX_SLOW if generator.slow else MAX_PICTURES,
        MAX_PIXELS[1 if planar else model.shape[-1]] // pixels,
    )
    for size, starts, locals_ in SIZES:
        size, starts = min(size, prior.size), starts if prior.size else 1
        locals_ = locals_ if generator.noise else 1
        each = size * len(POSITIONS) * locals_ + len(ANGLES) * bool(generator.noise)
        if categories * starts * max(1, each) <= most:
            return _made(model, size, starts, locals_, planar)
    return "There are too many categories, or pictures are too large, for sliders in a page."


def _made(model: Model, size: int, starts: int, locals_: int, planar: bool) -> Explorer:
    generator = model.run.game.networks.generator
    assert generator is not None
    seed = model.run.config.seed
    z, found = _starts(model, size, starts)
    n = model.local(max(locals_, 2), seed)
    cloud = MAX_SLOW if generator.slow else CLOUD
    plane = Plane(model.sample(cloud, seed=seed)) if planar else None

    def drawn(vector: np.ndarray | None, local: np.ndarray) -> bytes:
        return sheet(_decoded(model, vector, local, starts, plane))

    panels = []
    for i in range(0 if found is None else len(found.steps)):
        assert z is not None and found is not None
        vector = _moved(z, found, i)  # [K, B, 1, P, D]
        local = np.broadcast_to(n[:locals_, None], (locals_, len(POSITIONS), n.shape[1]))
        note = ""
        if np.isfinite(found.change[i]):
            note = f"1 SD changes a value of x by {found.change[i]:.2g} (RMS)"
        texts = [f"{position:+.1f} SD".replace("-", "−") for position in POSITIONS]
        png = drawn(np.repeat(vector, locals_, axis=2), local)
        panels.append(Panel(f"z direction {i + 1}", note, texts, len(POSITIONS) // 2, locals_, png))
    start = None if z is None else z[:, :, None, None]
    if generator.noise:
        texts = [f"{angle:g}°" for angle in ANGLES]
        still = None if start is None else np.repeat(start, len(ANGLES), axis=3)
        png = drawn(still, circle(n)[None])
        panels.append(Panel("n", "the local code goes round a circle", texts, 0, 1, png))
    if not panels:
        panels.append(Panel("picture", "", [""], 0, 1, drawn(start, n[None, :1])))
    return Explorer(
        panels,
        SIDE if planar else model.shape[1],
        SIDE if planar else model.shape[0],
        category_names(model),
        starts,
        locals_,
        None if plane is None else [[float(v) for v in one] for one in plane.limits],
        _numbers(z, found, n),
    )


def category_names(model: Model) -> list[str]:
    """Of the code's categories: the classes if it learned them from labels, else numbers."""
    count = model.run.game.prior.categories
    if "labelled" in model.run.game.sources and len(model.class_names) == count:
        return list(model.class_names)
    return [str(one) for one in range(count)]


def _starts(model: Model, size: int, starts: int) -> tuple[np.ndarray | None, Directions | None]:
    """Codes of the prior to start from, f32[K, starts, D], and directions; None without vectors."""
    prior, seed = model.run.game.prior, model.run.config.seed
    generator = model.run.game.networks.generator
    assert generator is not None
    if not prior.size:
        return None, None
    # A program is compiled for each category, so only where vectors depend on it.
    each = range(prior.categories) if prior.given is not None else [None]
    z = np.stack([model.prior(starts, one, seed).vector for one in each])
    codes = np.stack([model.prior(CODES, one, seed).vector for one in each])
    z, codes = (np.repeat(one, max(1, prior.categories) // len(each), axis=0) for one in (z, codes))
    return z, directions(model, codes, size, measured=not generator.slow)


def _moved(z: np.ndarray, found: Directions, i: int) -> np.ndarray:
    """The codes z f32[K, B, D] at each position along direction i: f32[K, B, 1, P, D]. Where a code
    is along it is counted from the mean of its group."""
    along = np.einsum("kbd,d->kb", z - found.means[:, None], found.readings[:, i])
    offsets = POSITIONS - along[..., None]
    moved = z[:, :, None] + offsets[..., None] * found.steps[i]
    return moved[:, :, None].astype(np.float32)


def circle(n: np.ndarray) -> np.ndarray:
    """Local codes f32[A, N] on the ellipse through the first two of n and their negatives: each is
    as likely as a draw, for a and b of N(0, I) give cos(t) a + sin(t) b of N(0, I)."""
    angles = np.deg2rad(ANGLES)[:, None]
    return (np.cos(angles) * n[0] + np.sin(angles) * n[1]).astype(np.float32)


def _decoded(
    model: Model, vector: np.ndarray | None, local: np.ndarray, starts: int, plane: Plane | None
) -> np.ndarray:
    """Pictures f32[rows, columns, H, W, C] of codes f32[K, B, L, P, D] with local codes
    f32[L, P, N]."""
    count = model.run.game.prior.categories
    shape = (max(1, count), starts, *local.shape[:2])
    rows = int(np.prod(shape))
    z = None if vector is None else vector.reshape(rows, -1)
    n = np.broadcast_to(local, (*shape, local.shape[-1])).reshape(rows, -1)
    category = np.repeat(np.arange(count), rows // count) if count else None

    def parts() -> Iterator[np.ndarray]:
        for first in range(0, rows, CHUNK):
            own = [None if one is None else one[first : first + CHUNK] for one in (z, category, n)]
            x = model.decode(own[0], own[1], own[2])
            yield x if plane is None else plane.pictures(x)

    x = np.concatenate(list(parts()))
    return x.reshape(rows // shape[-1], shape[-1], *x.shape[1:])


def _numbers(z: np.ndarray | None, found: Directions | None, n: np.ndarray) -> dict[str, Any]:
    """Where pictures come from, for whoever wants the code of one. In direction i at position p a
    picture's vector is start + (p - (start - mean) @ reading[i]) * step[i]; in the panel of the
    local code it is start, and the local code cos(a) local[0] + sin(a) local[1]."""
    numbers: dict[str, Any] = {"local": n.tolist()}
    if z is not None and found is not None:
        numbers |= {
            "start": z.tolist(),
            "mean": found.means.tolist(),
            "step": found.steps.tolist(),
            "reading": found.readings.T.tolist(),
            "positions": POSITIONS.tolist(),
        }
    return numbers
