"""Ways between codes."""

import jax.numpy as jnp

from iae_jax.types import Array


def between(a: Array, b: Array, shares: Array) -> Array:
    """Codes on the way from a to b, f32[N, D] each: f32[N, S, D] at shares f32[S] of it.

    Along the great circle, with the norm between theirs: codes of many components lie near a
    sphere, and a straight way would leave it.
    """
    norm_a, norm_b = (jnp.linalg.norm(z, axis=-1, keepdims=True) for z in (a, b))
    u, v = a / jnp.maximum(norm_a, 1e-12), b / jnp.maximum(norm_b, 1e-12)
    angle = jnp.arccos(jnp.clip(jnp.sum(u * v, axis=-1, keepdims=True), -1.0, 1.0))[:, None]
    t = shares[None, :, None]
    sine = jnp.sin(angle)
    turned = (
        jnp.sin((1 - t) * angle) * u[:, None] + jnp.sin(t * angle) * v[:, None]
    ) / jnp.maximum(sine, 1e-6)
    # Parallel codes have no circle between them.
    straight = (1 - t) * u[:, None] + t * v[:, None]
    way = jnp.where(sine > 1e-4, turned, straight)
    return way * ((1 - t) * norm_a[:, None] + t * norm_b[:, None])
