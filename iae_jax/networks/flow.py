"""Flows: bijections of vectors with the logarithm of their Jacobian's determinant, of which a
density is made by a change of variables. Priors and posteriors use the same ones."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.networks.masked import Masked
from iae_jax.networks.mlp import Trunk
from iae_jax.networks.monotone import Monotone, affine, spline
from iae_jax.types import Array, Params

Map = Callable[[Params, Array, Array | None], tuple[Array, Array]]

MAX_LAYERS = 100  # each is traced
MAX_WIDTH = 2**16


class Bijection(NamedTuple):
    """A bijection of f32[B, D] given a context f32[B, C], or None where it has none.

    init: key -> params.
    forward: (params, u, context) -> z f32[B, D] and log |det dz/du| f32[B].
    inverse: (params, z, context) -> u and log |det du/dz|.
    """

    init: Callable[[Array], Params]
    forward: Map
    inverse: Map


def inverted(bijection: Bijection) -> Bijection:
    """The same one the other way: a direction that is computed at once for one that takes a pass
    for each component."""
    return Bijection(bijection.init, bijection.inverse, bijection.forward)


def chained(bijections: Sequence[Bijection]) -> Bijection:
    """One after the other."""

    def init(key: Array) -> Params:
        keys = jax.random.split(key, len(bijections))
        return [one.init(own) for one, own in zip(bijections, keys, strict=True)]

    def through(
        maps: Sequence[Map], params: Params, x: Array, context: Array | None
    ) -> tuple[Array, Array]:
        total = jnp.zeros(x.shape[:1], x.dtype)
        for one, own in zip(maps, params, strict=True):
            x, log_det = one(own, x, context)
            total += log_det
        return x, total

    def forward(params: Params, u: Array, context: Array | None = None) -> tuple[Array, Array]:
        return through([one.forward for one in bijections], params, u, context)

    def inverse(params: Params, z: Array, context: Array | None = None) -> tuple[Array, Array]:
        maps = [one.inverse for one in reversed(bijections)]
        return through(maps, params[::-1], z, context)

    return Bijection(init, forward, inverse)


class _Conditioner(nn.Module):
    """f32[B, D] and context f32[B, C] or None -> f32[B, outputs, numbers], 0 until it learns."""

    outputs: int
    numbers: int
    width: int

    @nn.compact
    def __call__(self, x: Array, context: Array | None = None) -> Array:
        h = Trunk((self.width, self.width))(x, context)
        zeros = nn.initializers.zeros
        h = nn.Dense(self.outputs * self.numbers, kernel_init=zeros)(h)
        return h.reshape(x.shape[0], self.outputs, self.numbers)


def _init(module: nn.Module, size: int, context: int) -> Callable[[Array], Params]:
    def init(key: Array) -> Params:
        return module.init(key, jnp.zeros((1, size)), jnp.zeros((1, context)) if context else None)

    return init


def coupling(
    function: Monotone, size: int, width: int, moved: Sequence[int], context: int = 0
) -> Bijection:
    """The components `moved` change by a function whose parameters a network reads from the others,
    which stay (Dinh et al. 2017, real NVP): one pass in either direction. The network has two
    hidden layers of `width`."""
    moves = np.array(sorted(moved))
    stays = np.setdiff1d(np.arange(size), moves)
    module = _Conditioner(len(moves), function.numbers, width)
    network: Callable[..., Any] = module.apply

    def changed(
        way: Callable[[Array, Array], tuple[Array, Array]],
        params: Params, x: Array, given: Array | None,
    ) -> tuple[Array, Array]:  # fmt: skip
        chex.assert_shape(x, (None, size))
        parameters = network(params, x[:, stays], given)
        y, log_slope = way(parameters, x[:, moves])
        return x.at[:, moves].set(y), jnp.sum(log_slope, axis=-1)

    def forward(params: Params, u: Array, given: Array | None = None) -> tuple[Array, Array]:
        return changed(function.forward, params, u, given)

    def inverse(params: Params, z: Array, given: Array | None = None) -> tuple[Array, Array]:
        return changed(function.inverse, params, z, given)

    return Bijection(_init(module, len(stays), context), forward, inverse)


def autoregressive(
    function: Monotone, size: int, width: int, order: Sequence[int], context: int = 0
) -> Bijection:
    """Every component changes by a function whose parameters a masked network reads from the
    components that come before it (Kingma et al. 2016; Papamakarios et al. 2017). Forward is one
    pass, the inverse `size` passes. order: the place of each component, from 1."""
    module = Masked(tuple(order), width, function.numbers)
    network: Callable[..., Any] = module.apply

    def forward(params: Params, u: Array, given: Array | None = None) -> tuple[Array, Array]:
        chex.assert_shape(u, (None, size))
        z, log_slope = function.forward(network(params, u, given), u)
        return z, jnp.sum(log_slope, axis=-1)

    def inverse(params: Params, z: Array, given: Array | None = None) -> tuple[Array, Array]:
        chex.assert_shape(z, (None, size))

        def again(u: Array, _: None) -> tuple[Array, None]:
            """After pass i the first i components are right."""
            return function.inverse(network(params, u, given), z)[0], None

        u, _ = jax.lax.scan(again, jnp.zeros_like(z), None, length=size)
        return u, -forward(params, u, given)[1]

    return Bijection(_init(module, size, context), forward, inverse)


HALVINGS = 60  # of the interval in which a planar layer's inverse is searched


class _Plane(nn.Module):
    """context f32[B, C] or None -> w, u and b of a planar layer for each of `count` examples."""

    size: int
    width: int

    @nn.compact
    def __call__(self, count: int, context: Array | None = None) -> tuple[Array, Array, Array]:
        h = jnp.ones((count, 1)) if context is None else Trunk((self.width,))(context, None)
        w = nn.Dense(self.size, bias_init=nn.initializers.normal(1.0))(h)
        u = nn.Dense(self.size, kernel_init=nn.initializers.zeros)(h)
        return w, u, nn.Dense(1)(h)[:, 0]


def planar(size: int, width: int, context: int = 0) -> Bijection:
    """z = u + v tanh(w.u + b), with v, w and b read from the context by a network with a hidden
    layer of `width` (Rezende and Mohamed 2015, eq. 10). The inverse is searched."""
    module = _Plane(size, width)

    def init(key: Array) -> Params:
        return module.init(key, 1, jnp.zeros((1, context)) if context else None)

    def plane(params: Params, x: Array, given: Array | None) -> tuple[Array, Array, Array, Array]:
        """w, v, b, and w.v, which is above -1, where the layer is invertible (appendix A.1; at
        u = 0 it is 0, so that the layer is the identity until it learns)."""
        chex.assert_shape(x, (None, size))
        found: Any = module.apply(params, x.shape[0], given)
        w, u, b = found
        product, square = jnp.sum(w * u, axis=-1), jnp.sum(jnp.square(w), axis=-1) + 1e-8
        along = jax.nn.softplus(product + np.log(np.expm1(1.0))) - 1
        v = u + ((along - product) / square)[:, None] * w
        return w, v, b, jnp.sum(w * v, axis=-1)

    def forward(params: Params, u: Array, given: Array | None = None) -> tuple[Array, Array]:
        w, v, b, product = plane(params, u, given)
        h = jnp.tanh(jnp.sum(w * u, axis=-1) + b)
        return u + h[:, None] * v, jnp.log1p((1 - jnp.square(h)) * product)

    def inverse(params: Params, z: Array, given: Array | None = None) -> tuple[Array, Array]:
        """Of a = w.u, which solves a + w.v tanh(a + b) = w.z and whose left side increases."""
        w, v, b, product = plane(params, z, given)
        target = jnp.sum(w * z, axis=-1)
        along, bias, goal = jax.lax.stop_gradient((product, b, target))

        def halved(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = (low + high) / 2
            below = middle + along * jnp.tanh(middle + bias) < goal
            return jnp.where(below, middle, low), jnp.where(below, high, middle)

        reach = jnp.abs(along)
        low, high = jax.lax.fori_loop(0, HALVINGS, halved, (goal - reach, goal + reach))
        root = (low + high) / 2
        # A search has no gradient: that of a is the one of what it solves (implicit function).
        slope = 1 + along * (1 - jnp.square(jnp.tanh(root + bias)))
        move = (target - root - product * jnp.tanh(root + b)) / jnp.maximum(slope, 1e-6)
        h = jnp.tanh(root + (move - jax.lax.stop_gradient(move)) + b)
        return z - h[:, None] * v, -jnp.log1p((1 - jnp.square(h)) * product)

    return Bijection(init, forward, inverse)


FUNCTIONS: dict[str, Callable[..., Monotone]] = {"affine": affine, "spline": spline}
LAYERS = ("coupling", "autoregressive", "planar")


def flow(
    size: int,
    layer: str = "coupling",
    function: str = "affine",
    layers: int = 8,
    width: int = 128,
    context: int = 0,
) -> Bijection:
    """A flow of several layers; the identity until it learns. Of each two layers the second moves
    the components that the first leaves, or has the reverse order; which ones is random, and alike
    for all seeds.

    Args:
      size: components of a vector.
      layer: "coupling"; or "autoregressive" or "planar", of which only forward is fast.
      function: "affine" or "spline", of each component; a planar layer has none.
      layers: how many.
      width: of the hidden layers of each layer's network.
      context: numbers that every layer's network reads beside the vector.

    Raises:
      InputError: an unknown name, or a number that is out of range.
    """
    for name, value, allowed in (("layer", layer, LAYERS), ("function", function, FUNCTIONS)):
        if value not in allowed:
            raise InputError(f"{name} of a flow is {' or '.join(allowed)}, not {value!r}")
    for name, number, most in (("layers", layers, MAX_LAYERS), ("width", width, MAX_WIDTH)):
        if not (isinstance(number, int) and 1 <= number <= most):
            raise InputError(f"{name} of a flow is from 1 to {most}, not {number!r}")
    if layer == "coupling" and size < 2:
        raise InputError("a coupling needs 2 components: set layer='autoregressive' for 1")
    if layer == "planar":
        if function != "affine":
            raise InputError("a planar layer moves no component by itself: leave function out")
        return chained([planar(size, width, context) for _ in range(layers)])
    own, found = FUNCTIONS[function](), []
    for number in range(layers):
        order = np.random.default_rng(number // 2).permutation(size)
        if layer == "autoregressive":
            places = 1 + order if number % 2 == 0 else size - order
            found.append(autoregressive(own, size, width, places.tolist(), context))
        else:
            half = order[: size // 2] if number % 2 == 0 else order[size // 2 :]
            found.append(coupling(own, size, width, half.tolist(), context))
    return chained(found)
