"""Networks as pure functions: Flax Linen inside, `init` and `apply` outside.

Each builder takes shapes and returns an Encoder, a Generator or a Discriminator. A `Trunk` reads x
and a `Body` writes x; `mlp`, `conv` and `residual` have one of each, so a new kind of data is a new
file with a Trunk and a Body.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from iae_jax.errors import InputError
from iae_jax.networks import conv, mlp, residual
from iae_jax.networks.layers import LayerNorm, leaky, perturbed
from iae_jax.types import Array, Code, Discriminator, Encoder, Encoding, Generator, Params

IMAGES: dict[str, Any] = {"conv": conv, "residual": residual}
LARGEST_GRID = 16  # of the positions that dense layers read and write, for each side
LARGEST_LOG_VARIANCE = 10.0  # of a Gaussian encoder, either way


class Layout(NamedTuple):
    """kind: "mlp" (x of any shape), "conv" or "residual" (x f32[B, H, W, C]; the second for colour
    images and much computation). width: channels of the first convolution. hidden: features of the
    dense layers. depth: dense layers of an mlp. precision: what a network computes in, "float32" or
    "bfloat16"; parameters, codes, logits and x are float32."""

    kind: str
    width: int = 32
    hidden: int = 256
    depth: int = 2
    precision: str = "float32"

    def trunk(self) -> nn.Module:
        if self.kind in IMAGES:
            return IMAGES[self.kind].Trunk(self.width, self.hidden)
        return mlp.Trunk((self.hidden,) * self.depth)

    def perturbable(self, shape: tuple[int, ...]) -> list[int]:
        """The channels of a trunk that can be perturbed, layer by layer, for x f32[B, *shape]."""
        if self.kind in IMAGES:
            return list(IMAGES[self.kind].perturbable(min(shape[:2]), self.width))
        return [self.hidden] * (self.depth - 1)

    def body(self, shape: tuple[int, ...]) -> nn.Module:
        if self.kind in IMAGES:
            return IMAGES[self.kind].Body(shape, self.width, self.hidden)
        return mlp.Body(shape, (self.hidden,) * self.depth)


def check_layout(layout: Layout, shape: tuple[int, ...]) -> None:
    """Errors: InputError if the layout cannot read x f32[B, *shape]."""
    if layout.kind not in ("mlp", *IMAGES):
        raise InputError(f"a network is one of mlp, {', '.join(IMAGES)}, not {layout.kind!r}")
    if layout.precision not in ("float32", "bfloat16"):
        raise InputError(f"precision is float32 or bfloat16, not {layout.precision!r}")
    if layout.kind in IMAGES and len(shape) != 3:
        raise InputError(
            f"{layout.kind} reads images and x has shape {shape}: set the network to mlp"
        )
    if layout.kind in IMAGES:
        halved = 2 ** conv.halvings(min(shape[:2]))
        if any(side % halved or side // halved > LARGEST_GRID for side in shape[:2]):
            raise InputError(
                f"{layout.kind} halves images down to at most {LARGEST_GRID} positions a side, and "
                f"{shape[0]}x{shape[1]} cannot be halved so: crop or resize them, to 32x32 or "
                "64x64 for example"
            )


def computed(layout: Layout, module: nn.Module) -> Callable[..., Any]:
    """The module's apply in the layout's precision, from float32 to float32."""
    if layout.precision == "float32":
        return module.apply

    def apply(*arguments: Any) -> Any:
        out = module.apply(*_cast(arguments, jnp.bfloat16))
        return _cast(out, jnp.float32)

    return apply


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


class _Encoder(nn.Module):
    layout: Layout
    size: int
    categories: int
    gaussian: bool

    @nn.compact
    def __call__(self, x: Array, noise: Array, by: Array | None) -> Encoding:
        # Normalized, so that codes have unit scale from the first step: a discriminator under R1
        # hardly sees codes that start near 0, and the generator then learns to ignore them.
        h = features = LayerNorm()(self.layout.trunk()(x, None if self.gaussian else noise, by))
        if by is not None:
            h, _ = perturbed(h, by[:, -self.layout.hidden :])
        logits = nn.Dense(self.categories)(h) if self.categories else None
        if not self.size:
            return Encoding(logits=logits, features=features)
        mean = nn.Dense(self.size)(h)
        if not self.gaussian:
            return Encoding(vector=mean, logits=logits, features=features)
        bound = LARGEST_LOG_VARIANCE
        log_variance = jnp.clip(nn.Dense(self.size)(h), -bound, bound)
        vector = mean + jnp.exp(0.5 * log_variance) * noise
        return Encoding(vector, mean, log_variance, logits, features)


def encoder(
    layout: Layout,
    shape: tuple[int, ...],
    kind: str,
    size: int,
    categories: int = 0,
    noise: int = 0,
    pixel_noise: float = 0.0,
    dropout: float = 0.0,
) -> Encoder:
    """q(z|x) for x f32[B, *shape] and z of `size` components and `categories` categories.

    kind: "deterministic", "gaussian" (factorized, density known) or "implicit" (reads `noise`
    components of noise; its density is unknown). In training N(0, pixel_noise^2) is added to each
    value of x, and each channel of every layer is multiplied by N(1, dropout^2) (the Gaussian
    dropout of Srivastava et al. 2014). Errors: InputError for a kind or size that contradict each
    other.
    """
    check_layout(layout, shape)
    if kind not in ("deterministic", "gaussian", "implicit"):
        raise InputError(f"an encoder is deterministic, gaussian or implicit, not {kind!r}")
    if kind == "implicit" and noise < 1:
        raise InputError("an implicit encoder reads noise: set encoder.noise or kind=deterministic")
    if kind != "implicit" and noise:
        raise InputError(f"a {kind} encoder reads no noise: set encoder.noise=0, or kind=implicit")
    if not size and not categories:
        raise InputError("the code has neither a size nor categories: give it one of them")
    gaussian = kind == "gaussian" and size > 0
    noise = size if gaussian else noise
    module = _Encoder(layout, size, categories, gaussian)
    values = math.prod(shape) if pixel_noise else 0
    channels = sum(layout.perturbable(shape)) + layout.hidden if dropout else 0

    def init(key: Array) -> Params:
        return module.init(key, jnp.zeros((1, *shape)), jnp.zeros((1, noise)), None)

    compute = computed(layout, module)

    def apply(params: Params, x: Array, drawn: Array) -> Encoding:
        own, pixels, by = jnp.split(drawn, [noise, noise + values], axis=-1)
        if values:
            x = x + pixel_noise * pixels.reshape(x.shape)
        encoding: Encoding = compute(params, x, own, dropout * by if channels else None)
        return encoding

    known = gaussian or (not size and kind != "implicit")
    return Encoder(init, apply, noise, known, values + channels)


class _Generator(nn.Module):
    layout: Layout
    shape: tuple[int, ...]
    noise_at: str

    @nn.compact
    def __call__(self, vector: Array | None, category: Array | None, noise: Array) -> Array:
        parts = [] if vector is None else [vector]
        if category is not None:
            # Unit variance for each input, as the vector has.
            parts.append(jnp.sqrt(category.shape[-1]) * category)
        if self.noise_at == "input":
            return self.layout.body(self.shape)(jnp.concatenate([*parts, noise], axis=-1))
        return self.layout.body(self.shape)(jnp.concatenate(parts, axis=-1), noise)


LIKELIHOODS = ("none", "bernoulli", "gaussian")
RANGES = ("unit", "real")


def generator(
    layout: Layout,
    shape: tuple[int, ...],
    size: int,
    categories: int = 0,
    noise: int = 0,
    noise_at: str = "input",
    likelihood: str = "none",
    deviation: float = 0.1,
    values: str = "unit",
) -> Generator:
    """p(x|z) for z of `size` components and `categories` categories, and `noise` local ones.

    noise_at: "input" (beside z) or "depth" (modulating every level). likelihood: "none"
    (implicit), "bernoulli", or "gaussian" with standard deviation `deviation`. values: "unit" if
    x is in [0, 1], "real" if it is any number.
    """
    check_layout(layout, shape)
    for name, value, known in (
        ("likelihood", likelihood, LIKELIHOODS),
        ("noise_at", noise_at, ("input", "depth")),
        ("values", values, RANGES),
    ):
        if value not in known:
            raise InputError(f"{name} is one of {', '.join(known)}, not {value!r}")
    if likelihood == "bernoulli" and values != "unit":
        raise InputError("a bernoulli likelihood is of x in [0, 1]: use likelihood=gaussian")
    module = _Generator(layout, shape, noise_at)
    compute = computed(layout, module)
    squash = nn.sigmoid if values == "unit" else lambda logits: logits

    def init(key: Array) -> Params:
        vector = jnp.zeros((1, size)) if size else None
        category = jnp.zeros((1, categories)) if categories else None
        return module.init(key, vector, category, jnp.zeros((1, noise)))

    def logits(params: Params, z: Code, noise: Array) -> Array:
        out: Array = compute(params, z.vector, z.category, noise)
        return out

    def sample(params: Params, z: Code, noise: Array) -> Array:
        return squash(logits(params, z, noise))

    def log_likelihood(params: Params, z: Code, x: Array) -> Array:
        out = logits(params, z, jnp.zeros((x.shape[0], 0)))
        if likelihood == "bernoulli":
            each = -optax.sigmoid_binary_cross_entropy(out, x)
        else:
            each = jax.scipy.stats.norm.logpdf(x, squash(out), deviation)
        return jnp.sum(each.reshape(x.shape[0], -1), axis=-1)

    return Generator(init, sample, noise, None if likelihood == "none" else log_likelihood)


class _Discriminator(nn.Module):
    layout: Layout
    outputs: int

    @nn.compact
    def __call__(self, x: Array | None, vector: Array | None) -> Array:
        hidden = self.layout.hidden
        if x is None and vector is None:  # a category alone: one logit each
            return self.param("logits", nn.initializers.zeros, (1, self.outputs))
        if x is None:
            h = leaky(nn.Dense(hidden)(leaky(nn.Dense(hidden)(vector))))
        elif vector is None:
            h = leaky(nn.Dense(hidden)(self.layout.trunk()(x)))
        else:
            # z enters twice, added and as a gate: a product is what tells whether x and z match.
            h = nn.Dense(hidden)(self.layout.trunk()(x))
            e = nn.Dense(hidden)(leaky(nn.Dense(hidden)(vector)))
            h = jnp.concatenate([leaky(h + e), leaky(h) * jnp.tanh(e)], axis=-1)
            h = leaky(nn.Dense(hidden)(h))
        return nn.Dense(self.outputs)(h)


def discriminator(
    layout: Layout,
    shape: tuple[int, ...],
    reads: tuple[str, ...],
    size: int = 0,
    categories: int = 0,
) -> Discriminator:
    """T(x, z), T(x) or T(z) by what it reads; one logit for each category if it reads a code."""
    check_layout(layout, shape)
    if reads not in (("x",), ("z",), ("x", "z")):
        raise InputError(f"a discriminator reads x, z or x and z, not {reads!r}")
    module = _Discriminator(layout, categories if categories and "z" in reads else 1)

    def init(key: Array) -> Params:
        x = jnp.zeros((1, *shape)) if "x" in reads else None
        vector = jnp.zeros((1, size)) if "z" in reads and size else None
        return module.init(key, x, vector)

    compute = computed(layout, module)

    def apply(params: Params, x: Array | None, vector: Array | None) -> Array:
        logits: Array = compute(params, x, vector)
        return logits

    return Discriminator(init, apply, reads)


def with_quadratic(base: Discriminator) -> Discriminator:
    """T(x, z) + |z|^2 / 2, for a denominator whose code is N(0, I).

    log q(z|x) - log p(z) grows so where q(z|x) has no mass to speak of, and a network need not
    learn it (Mescheder et al. 2017 do the same in their experiments).
    """

    def apply(params: Params, x: Array | None, vector: Array | None) -> Array:
        assert vector is not None
        quadratic = 0.5 * jnp.sum(jnp.square(vector), axis=-1, keepdims=True)
        return base.apply(params, x, vector) + quadratic

    return base._replace(apply=apply)
