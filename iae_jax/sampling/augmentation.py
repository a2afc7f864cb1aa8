"""Changes of images: affine ones and the worst small ones, on which codes should not depend, and
those that keep a discriminator from knowing a small set of images by heart.

Pure functions of x and of numbers that are drawn before, as all of a step's randomness is.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

from iae_jax.errors import InputError
from iae_jax.types import Array, Augment, Encoding

EDGES = {"zero": "constant", "nearest": "nearest"}  # as map_coordinates calls them
MOST = 1_000_000  # of a bound, whose square is then finite in float32
NUMBERS = 6  # rotation, shear, two scales, two shifts


@dataclass
class Affine:
    """Bounds, each either way. rotation: degrees. scale: of the logarithm of either side's.
    shear: sideways pixels for each pixel down. shift: pixels, of either side. edge: what is seen
    beyond the image's edge, "zero" or the "nearest" pixel. brightness, saturation, contrast: see
    `recoloured`. cutout: see `cut_out`. noise: of what is then added to each value. worst: length
    of what is added last, see `worst_change`."""

    rotation: float = 15.0
    scale: float = 0.2
    shear: float = 0.2
    shift: float = 2.0
    edge: str = "zero"
    brightness: float = 0.0
    saturation: float = 0.0
    contrast: float = 0.0
    cutout: float = 0.0
    noise: float = 0.0
    worst: float = 0.0

    @property
    def moves(self) -> tuple[float, float, float, float]:
        return self.rotation, self.scale, self.shear, self.shift

    @property
    def changes(self) -> bool:
        """Whether an image is changed before what `worst` adds."""
        return any((*self.moves, *self.colours, self.cutout, self.noise))

    @property
    def colours(self) -> tuple[float, float, float]:
        return self.brightness, self.saturation, self.contrast


def affine(bounds: Affine, shape: tuple[int, ...]) -> Augment:
    """x f32[B, H, W, C] -> the same shape, each image with a change of its own about its centre,
    linear between pixels. Its noise in [-1, 1] is uniform within the bounds: f32[B, 6]; 3 more for
    colours, 2 for `cutout`, and as many as an image has values for `noise`, and for `worst`, where
    these are not 0. shape: (H, W, C). Errors: InputError for a bound that is negative or not
    finite, or another edge."""
    _check(bounds)
    if bounds.edge not in EDGES:
        raise InputError(f"edge of an affine change is zero or nearest, not {bounds.edge!r}")

    def one(x: Array, noise: Array) -> Array:
        height, width, channels = x.shape
        angle = noise[0] * jnp.deg2rad(bounds.rotation)
        turn = jnp.array([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]])
        tall, wide = jnp.exp(bounds.scale * noise[2:4])
        # Rows and columns of where the new image is read from: content grows as this shrinks.
        zeros = jnp.zeros(())
        shape = jnp.array([[1 / tall, zeros], [-bounds.shear * noise[1], 1 / wide]])
        centre = jnp.array([(height - 1) / 2, (width - 1) / 2])
        rows, columns = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
        grid = jnp.stack([rows.ravel(), columns.ravel()])
        moved = centre + bounds.shift * noise[4:6]
        source = shape @ turn @ (grid - moved[:, None]) + centre[:, None]
        mode = EDGES[bounds.edge]
        read = [map_coordinates(x[..., c], [*source], 1, mode=mode) for c in range(channels)]
        return jnp.stack(read, axis=-1).reshape(x.shape)

    def apply(x: Array, noise: Array) -> Array:
        moved = jax.vmap(one)(x, noise[:, :NUMBERS]) if any(bounds.moves) else x
        if colours:
            shares = jnp.array(bounds.colours) * noise[:, NUMBERS : NUMBERS + 3]
            moved = jax.vmap(recoloured)(moved, shares)
        if bounds.cutout:
            cut = partial(cut_out, side=bounds.cutout)
            moved = jax.vmap(cut)(moved, noise[:, first - 2 : first])
        if bounds.noise:
            moved += bounds.noise * noise[:, first : first + values].reshape(x.shape)
        return moved

    colours, values = any(bounds.colours), math.prod(shape)
    first = NUMBERS + 3 * colours + 2 * (bounds.cutout > 0)
    numbers = first + values * sum(bound > 0 for bound in (bounds.noise, bounds.worst))
    return Augment(apply, numbers, bounds.worst)


def recoloured(x: Array, shares: Array) -> Array:
    """Of an image f32[H, W, C]: brightness is added to each value, saturation to the factor 1 of
    differences from a pixel's mean, contrast to that of differences from the image's. shares:
    f32[3], in this order."""
    x = x + shares[0]
    grey = jnp.mean(x, axis=-1, keepdims=True)
    x = grey + (1 + shares[1]) * (x - grey)
    mean = jnp.mean(x)
    return mean + (1 + shares[2]) * (x - mean)


def cut_out(x: Array, at: Array, side: float) -> Array:
    """An image f32[H, W, C] with 0 in a square, whose side is that share of the image's own. at:
    f32[2], its centre, from -1 at the top and left to 1 (DeVries and Taylor 2017)."""

    def kept(pixels: int, at: Array) -> Array:
        """Which rows or columns are outside of the square: bool[pixels]."""
        centre = (pixels - 1) * (at + 1) / 2
        return jnp.abs(jnp.arange(pixels) - centre) >= side * pixels / 2

    height, width, _ = x.shape
    return x * (kept(height, at[0])[:, None] | kept(width, at[1]))[..., None]


def distance(own: Encoding, changed: Encoding) -> Array:
    """How far the code of a changed image is from the image's own, which is a target that passes no
    gradient: f32[B]. Of a category KL(own || changed); of a vector half the squared distance, the
    KL of Gaussians of unit variance around them."""
    found = jnp.zeros(())
    if own.vector is not None and changed.vector is not None:
        off = changed.vector - jax.lax.stop_gradient(own.vector)
        found += 0.5 * jnp.sum(jnp.square(off), axis=-1)
    if own.logits is not None and changed.logits is not None:
        target = jax.lax.stop_gradient(jax.nn.log_softmax(own.logits))
        said = jax.nn.log_softmax(changed.logits)
        found += jnp.sum(jnp.exp(target) * (target - said), axis=-1)
    return found


PROBE = 0.1  # length of the step at which the worst direction is looked for


def worst_change(
    encode: Callable[[Array], Encoding], x: Array, own: Encoding, start: Array, radius: float
) -> Array:
    """What of length `radius` moves the code of x farthest from `own`: one power iteration from
    `start` on the Hessian of `distance` (Miyato et al. 2018, virtual adversarial training) where
    `own` is the code of x; of an image that was changed before, a step up the slope of `distance`.
    x, start: f32[B, ...]. Returns f32[B, ...], without gradient."""

    def unit(r: Array) -> Array:
        length = jnp.sqrt(jnp.sum(jnp.square(r), axis=range(1, r.ndim), keepdims=True))
        return r / jnp.maximum(length, 1e-12)

    slope = jax.grad(lambda r: jnp.sum(distance(own, encode(x + r))))(PROBE * unit(start))
    return jax.lax.stop_gradient(radius * unit(slope))


@dataclass
class DiffAugment:
    """Bounds, each either way; all 0: no change. brightness, saturation, contrast: see
    `recoloured`. shift: share of either side. cutout: see `cut_out`. blur: pixels, see `blurred`,
    which fade in a line to 0 at step `blur_steps` (0: they stay)."""

    brightness: float = 0.0
    saturation: float = 0.0
    contrast: float = 0.0
    shift: float = 0.0
    cutout: float = 0.0
    blur: float = 0.0
    blur_steps: int = 0

    @property
    def changes(self) -> bool:
        """Whether an image is changed by what is drawn."""
        colours = self.brightness, self.saturation, self.contrast
        return any((*colours, self.shift, self.cutout))


SHOWN_NUMBERS = 7  # brightness, saturation, contrast, two shifts, two of the square's centre


def diffaugment(bounds: DiffAugment) -> Augment | None:
    """What discriminators are shown in place of images (Zhao et al. 2020); None if nothing changes.

    x f32[B, H, W, C] -> the same shape, each image with a change of its own, which passes gradients
    to x. Its noise, f32[B, 7] in [-1, 1], is uniform within the bounds. Shifts are by whole pixels,
    with 0 where nothing was. Errors: InputError for a bound that is negative or not finite.
    """
    _check(bounds)
    if not bounds.changes:
        return None

    def moved(side: int, share: Array) -> Array:
        """A product with this shifts, forward, backward and twice backward: f32[side, side]."""
        place = jnp.arange(side)
        pixels = jnp.round(bounds.shift * side * share).astype(jnp.int32)
        return (place[:, None] - pixels == place).astype(jnp.float32)

    def one(x: Array, noise: Array) -> Array:
        height, width, _ = x.shape
        colours = jnp.array([bounds.brightness, bounds.saturation, bounds.contrast])
        x = recoloured(x, colours * noise[:3])
        if bounds.shift:
            down, right = moved(height, noise[3]), moved(width, noise[4])
            x = jnp.einsum("ih,jw,hwc->ijc", down, right, x)
        if bounds.cutout:
            x = cut_out(x, noise[5:7], bounds.cutout)
        return x

    return Augment(jax.vmap(one), SHOWN_NUMBERS)


def blurred(x: Array, deviation: Array | float) -> Array:
    """Images f32[B, H, W, C] under a Gaussian of so many pixels, 0 for none; beyond an edge there
    is nothing to weigh. What discriminators see at first is blurred, and what they tell apart then
    is large, as in Karras et al. 2021."""

    def weights(side: int) -> Array:
        place = jnp.arange(side)
        # At a twentieth of a pixel neighbours weigh 0 in float32.
        apart = (place[:, None] - place) / jnp.maximum(deviation, 0.05)
        return jax.nn.softmax(-0.5 * jnp.square(apart), axis=-1)

    return jnp.einsum("ih,jw,bhwc->bijc", weights(x.shape[1]), weights(x.shape[2]), x)


def _check(bounds: Affine | DiffAugment) -> None:
    for name, bound in asdict(bounds).items():
        if not isinstance(bound, str) and not 0 <= bound <= MOST:
            raise InputError(f"{name} of an augmentation is from 0 to {MOST:,}, not {bound}")
