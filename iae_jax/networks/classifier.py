"""A small classifier of images: what the judge is made of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from iae_jax.networks.conv import WIDEST, halvings
from iae_jax.networks.layers import Conv, LayerNorm, leaky
from iae_jax.types import Array, Params


class Classifier(NamedTuple):
    """init: key -> params.
    apply: (params, x f32[B, H, W, C] in [0, 1]) -> (logits f32[B, K], features f32[B, F])."""

    init: Callable[[Array], Params]
    apply: Callable[[Params, Array], tuple[Array, Array]]


class _Classifier(nn.Module):
    classes: int
    width: int
    features: int

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        h = 2 * x - 1
        for level in range(max(1, halvings(min(x.shape[1:3])))):
            h = Conv(self.width * min(2**level, WIDEST), size=4, stride=2)(h)
            # Statistics of one position of one image: no batch statistics to carry along.
            h = leaky(LayerNorm()(h))
        features = leaky(nn.Dense(self.features)(h.reshape(h.shape[0], -1)))
        return nn.Dense(self.classes)(features), features


def classifier(
    shape: tuple[int, int, int], classes: int, width: int = 32, features: int = 64
) -> Classifier:
    """A classifier of images [H, W, C] into `classes`; the features are its last hidden layer."""
    module = _Classifier(classes, width, features)

    def init(key: Array) -> Params:
        return module.init(key, jnp.zeros((1, *shape)))

    def apply(params: Params, x: Array) -> Any:
        logits, features = module.apply(params, x)
        return logits, features

    return Classifier(jax.jit(init), apply)
