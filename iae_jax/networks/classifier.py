"""Small classifiers of images, the networks of the feature classifiers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.networks.conv import MAX_CHANNEL_FACTOR, halvings
from iae_jax.networks.layers import Conv, LayerNorm, leaky
from iae_jax.types import Array, Params


class Classifier(NamedTuple):
    """Logits and features of images.

    init: key -> params.
    apply: (params, x f32[B, H, W, C] in [0, 1]) -> (logits f32[B, K], features f32[B, F]).
    """

    init: Callable[[Array], Params]
    apply: Callable[[Params, Array], tuple[Array, Array]]


class _Convolutional(nn.Module):
    """4x4 convolutions of stride 2, then a dense layer over all positions."""

    classes: int
    width: int
    features: int

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        h = 2 * x - 1
        for level in range(max(1, halvings(min(x.shape[1:3])))):
            h = Conv(self.width * min(2**level, MAX_CHANNEL_FACTOR), size=4, stride=2)(h)
            # Normalized over the channels of one position: no batch statistics to carry along.
            h = leaky(LayerNorm()(h))
        features = leaky(nn.Dense(self.features)(h.reshape(h.shape[0], -1)))
        return nn.Dense(self.classes)(features), features


class _Residual(nn.Module):
    """Blocks of 3x3 convolutions, each with a way around its second, then the mean over positions:
    where something is does not matter beyond what a block sees."""

    classes: int
    width: int
    features: int

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        h = 2 * x - 1
        for level in range(max(1, halvings(min(x.shape[1:3])))):
            width = self.width * min(2**level, MAX_CHANNEL_FACTOR)
            h = Conv(width, size=3, stride=2)(h)
            h = h + Conv(width, size=3)(leaky(LayerNorm()(h)))
        h = jnp.mean(leaky(LayerNorm()(h)), axis=(1, 2))
        features = leaky(nn.Dense(self.features)(h))
        return nn.Dense(self.classes)(features), features


NETWORKS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "convolutional": _Convolutional,
    "residual": _Residual,
}


def classifier(
    shape: tuple[int, int, int],
    classes: int,
    width: int = 32,
    features: int = 64,
    network: str = "convolutional",
) -> Classifier:
    """A classifier of images [H, W, C] into `classes`; the features are its last hidden layer.

    network: one of NETWORKS.

    Raises:
      InputError: it is none of them.
    """
    if network not in NETWORKS:
        raise InputError(f"a classifier's network is {' or '.join(NETWORKS)}, not {network!r}")
    module = NETWORKS[network](classes, width, features)

    def init(key: Array) -> Params:
        return module.init(key, jnp.zeros((1, *shape)))

    def apply(params: Params, x: Array) -> tuple[Array, Array]:
        chex.assert_shape(x, (None, *shape))
        out: Any = module.apply(params, x)
        logits, features = out
        return logits, features

    return Classifier(jax.jit(init), apply)
