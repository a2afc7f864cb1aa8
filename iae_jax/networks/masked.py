"""Masked networks: outputs that read only what comes before them in an order (Germain et al. 2015,
MADE)."""

import flax.linen as nn
import numpy as np

from iae_jax.networks.layers import leaky
from iae_jax.types import Array


class MaskedDense(nn.Module):
    """A dense layer in which a feature of degree d reads inputs of degree at most d; strict: of
    degree below d."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    strict: bool = False
    zero: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        before, after = np.array(self.inputs)[:, None], np.array(self.outputs)[None, :]
        mask = (after > before) if self.strict else (after >= before)
        start = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        kernel = self.param("kernel", start, mask.shape)
        bias = self.param("bias", nn.initializers.zeros, (len(self.outputs),))
        return x @ (kernel * mask) + bias


class Masked(nn.Module):
    """x f32[B, D] and context f32[B, C] or None -> f32[B, D, numbers], of which row i reads the
    context and the components that come before i, through two layers and directly. 0 until it
    learns.

    order: the place of each component, 1 to D. width: features of each of two hidden layers.
    """

    order: tuple[int, ...]
    width: int
    numbers: int

    @nn.compact
    def __call__(self, x: Array, context: Array | None = None) -> Array:
        # From 1 to D - 1: nothing reads the last component.
        last = max(1, len(self.order) - 1)
        hidden = tuple(1 + i * last // self.width for i in range(self.width))
        outputs = tuple(np.repeat(self.order, self.numbers).tolist())

        def shifted(h: Array, zero: bool = False) -> Array:
            """By the context, which every unit may read."""
            if context is None:
                return h
            start = nn.initializers.zeros if zero else nn.initializers.lecun_normal()
            return h + nn.Dense(h.shape[-1], use_bias=False, kernel_init=start)(context)

        h = leaky(shifted(MaskedDense(self.order, hidden)(x)))
        h = h + leaky(shifted(MaskedDense(hidden, hidden)(h)))
        h = shifted(MaskedDense(hidden, outputs, strict=True, zero=True)(h), zero=True)
        h = h + MaskedDense(self.order, outputs, strict=True, zero=True)(x)
        return h.reshape(x.shape[0], len(self.order), self.numbers)
