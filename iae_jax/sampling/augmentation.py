"""Random changes of images: affine and colour changes, on which codes should not depend, and those
that keep a discriminator from memorizing a small set of images.

Pure functions of x and of numbers drawn before, as all randomness of a step is.
"""

import math
from dataclasses import asdict, dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

from iae_jax.errors import InputError
from iae_jax.types import Array, Augment

EDGES = {"zero": "constant", "nearest": "nearest"}  # as map_coordinates calls them
MAX_BOUND = 1_000_000  # whose square is finite in float32
NUMBERS = 6  # rotation, shear, two scales, two shifts


@dataclass(slots=True)
class Affine:
    """How far an image is changed at random, each bound in both directions.

    rotation: degrees. scale: of the logarithm of each side's factor. shear: pixels sideways for
    each pixel down. shift: pixels, in both directions. edge: what lies beyond the image's edge,
    "zero" or the "nearest" pixel. brightness, saturation, contrast: see `recoloured`. cutout: see
    `cut_out`. noise: of the number added to each value. vat_radius: length of the change of virtual
    adversarial training, which `consistency` adds last.
    """

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
    vat_radius: float = 0.0

    @property
    def moves(self) -> tuple[float, float, float, float]:
        return self.rotation, self.scale, self.shear, self.shift

    @property
    def changes(self) -> bool:
        """Whether an image is changed at all, beside `vat_radius`."""
        return any((*self.moves, *self.colours, self.cutout, self.noise))

    @property
    def colours(self) -> tuple[float, float, float]:
        return self.brightness, self.saturation, self.contrast


def affine(bounds: Affine, shape: tuple[int, ...]) -> Augment:
    """x f32[B, H, W, C] -> the same shape, each image changed by its own amount about its centre,
    with linear interpolation.

    The noise, in [-1, 1], is uniform within the bounds: f32[B, 6]; 3 more for colours, 2 for
    `cutout`, and one for each value of an image for `noise` and for `vat_radius`, where these are
    not 0. shape: (H, W, C).

    Raises:
      InputError: a bound that is negative or not finite, or another edge.
    """
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

    def apply(x: Array, noise: Array, step: Array) -> Array:
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
    numbers = first + values * sum(bound > 0 for bound in (bounds.noise, bounds.vat_radius))
    return Augment(apply, numbers, bounds.vat_radius)


def recoloured(x: Array, shares: Array) -> Array:
    """An image f32[H, W, C] with other colours. shares: f32[3], brightness, saturation, contrast.

    Brightness is added to each value. Differences from a pixel's mean over its channels are
    multiplied by 1 + saturation, differences from the image's mean by 1 + contrast.
    """
    x = x + shares[0]
    grey = jnp.mean(x, axis=-1, keepdims=True)
    x = grey + (1 + shares[1]) * (x - grey)
    mean = jnp.mean(x)
    return mean + (1 + shares[2]) * (x - mean)


def cut_out(x: Array, at: Array, side: float) -> Array:
    """An image f32[H, W, C] with 0 in a square (DeVries and Taylor 2017). at: f32[2], its centre,
    from -1 at the top and left to 1. side: its side, as a share of the image's."""

    def kept(pixels: int, at: Array) -> Array:
        """Which rows or columns are outside of the square: bool[pixels]."""
        centre = (pixels - 1) * (at + 1) / 2
        return jnp.abs(jnp.arange(pixels) - centre) >= side * pixels / 2

    height, width, _ = x.shape
    return x * (kept(height, at[0])[:, None] | kept(width, at[1]))[..., None]


@dataclass(slots=True)
class DiffAugment:
    """How far images are changed before a discriminator reads them; all 0: not at all.

    Each bound holds in both directions. brightness, saturation, contrast: see `recoloured`. shift:
    share of each side. cutout: see `cut_out`. blur: pixels, see `blurred`; it falls linearly to 0
    at step `blur_steps` (0: it stays).
    """

    brightness: float = 0.0
    saturation: float = 0.0
    contrast: float = 0.0
    shift: float = 0.0
    cutout: float = 0.0
    blur: float = 0.0
    blur_steps: int = 0

    @property
    def changes(self) -> bool:
        """Whether an image is changed at random."""
        colours = self.brightness, self.saturation, self.contrast
        return any((*colours, self.shift, self.cutout))


DIFFAUGMENT_NUMBERS = 7  # brightness, saturation, contrast, two shifts, two of the square's centre


def diffaugment(bounds: DiffAugment) -> Augment | None:
    """The change of images before a discriminator reads them (Zhao et al. 2020), and their blur;
    None if nothing changes.

    x f32[B, H, W, C] -> the same shape, each image changed by its own amount, with gradients to x.
    The noise, f32[B, 7] in [-1, 1] (none for a blur alone), is uniform within the bounds. Shifts
    are by whole pixels, with 0 beyond the edge.

    Raises:
      InputError: a bound that is negative or not finite.
    """
    _check(bounds)
    if not bounds.changes and not bounds.blur:
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

    def apply(x: Array, noise: Array, step: Array) -> Array:
        if bounds.changes:
            x = jax.vmap(one)(x, noise)
        if bounds.blur:
            falling = bounds.blur_steps > 0
            left = (1.0 - step / bounds.blur_steps).clip(0.0) if falling else 1.0
            x = blurred(x, bounds.blur * left)
        return x

    return Augment(apply, DIFFAUGMENT_NUMBERS if bounds.changes else 0)


def blurred(x: Array, deviation: Array | float) -> Array:
    """Images f32[B, H, W, C] smoothed by a Gaussian whose deviation is in pixels, 0 for none;
    weights are renormalized at the edges. Discriminators that read blurred images at first learn
    large structures before small ones (Karras et al. 2021)."""

    def weights(side: int) -> Array:
        place = jnp.arange(side)
        # At a twentieth of a pixel neighbours weigh 0 in float32.
        apart = (place[:, None] - place) / jnp.maximum(deviation, 0.05)
        return jax.nn.softmax(-0.5 * jnp.square(apart), axis=-1)

    return jnp.einsum("ih,jw,bhwc->bijc", weights(x.shape[1]), weights(x.shape[2]), x)


def _check(bounds: Affine | DiffAugment) -> None:
    for name, bound in asdict(bounds).items():
        if not isinstance(bound, str) and not 0 <= bound <= MAX_BOUND:
            raise InputError(f"{name} of an augmentation is from 0 to {MAX_BOUND:,}, not {bound}")
