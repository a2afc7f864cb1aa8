"""Masked networks: outputs that read only what comes before them in an order (Germain et al. 2015,
MADE)."""

import flax.linen as nn
import jax.numpy as jnp
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
    context and the components that come before i. 0 until it learns.

    order: the place of each component, 1 to D. width: features of each of two hidden layers.
    """

    order: tuple[int, ...]
    width: int
    numbers: int

    @nn.compact
    def __call__(self, x: Array, context: Array | None = None) -> Array:
        size = len(self.order)
        degrees = self.order
        if context is not None:
            degrees += (0,) * context.shape[-1]
            x = jnp.concatenate([x, context], axis=-1)
        # From 1 to D - 1: nothing reads the last component. A context alone is read at degree 0.
        low = 0 if context is not None or size == 1 else 1
        hidden = tuple(low + i % max(1, size - low) for i in range(self.width))
        h = leaky(MaskedDense(degrees, hidden)(x))
        h = leaky(MaskedDense(hidden, hidden)(h))
        outputs = tuple(np.repeat(self.order, self.numbers).tolist())
        h = MaskedDense(hidden, outputs, strict=True, zero=True)(h)
        return h.reshape(x.shape[0], size, self.numbers)
