"""Directions of the code along which the decoder's pictures change most.

The principal components of the codes alone would not do: those of N(0, I) are all alike. So each
component of the codes is taken at its SD, and the pictures say which combinations matter: the
eigenvectors of E[J^T J], J being how a picture changes with the code, by differences over half an
SD either way (the active subspace: Constantine 2015). Codes are those of the prior, so that no data
are read.
"""

from typing import NamedTuple

import numpy as np

from iae_jax.runs.loaded import Model

MAX_COMPONENTS = 128  # of the codes, those of the largest SD, among which directions are sought
MIN_SD = 1e-3  # over the largest: a component below it does not vary
STEP = 0.5  # in SDs
DECODED = 1500  # about how many pictures are compared
MAX_PLACES = 32  # codes around which they are
CHUNK = 1000  # pictures at once


class Directions(NamedTuple):
    """means: f32[G, D] of the codes, of each category. steps: f32[M, D], by which a code moves
    where it moves by one SD of the codes. readings: f32[D, M], (z - mean) @ readings is where z is,
    in SDs. change: f32[M], of the value of a pixel for one SD: the root of its mean square, nan if
    it was not measured."""

    means: np.ndarray
    steps: np.ndarray
    readings: np.ndarray
    change: np.ndarray


def directions(model: Model, codes: np.ndarray, count: int, measured: bool) -> Directions:
    """The first `count` directions or as many as there are, the one that changes most first.

    Args:
      codes: f32[G, N, D], N draws of the prior of each category, or of the whole prior (G = 1).
      measured: whether pictures are made; else directions are those in which codes vary most.
    """
    means = codes.mean(axis=1)
    centred = (codes - means[:, None]).reshape(-1, codes.shape[-1]).astype(np.float64)
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    order = np.argsort(-variances, kind="stable")[:MAX_COMPONENTS]
    sd = np.sqrt(np.maximum(variances[order], 0))
    kept = sd > MIN_SD * max(sd[0], 1e-12)
    sd, vectors = sd[kept], vectors[:, order[kept]]
    steps, readings = (vectors * sd).T, vectors / sd
    change = np.full(len(steps), np.nan)
    if measured and len(steps):
        squares, turned = np.linalg.eigh(_sensitivity(model, codes, steps))
        steps, readings = turned.T[::-1] @ steps, readings @ turned[:, ::-1]
        change = np.sqrt(np.maximum(squares[::-1], 0))
    # Of the two ways, the one in which the largest component grows.
    sign = np.sign(np.take_along_axis(steps, np.abs(steps).argmax(axis=1)[:, None], axis=1))
    parts = means, (steps * sign)[:count], (readings * sign.T)[:, :count], change[:count]
    return Directions(*(one.astype(np.float32) for one in parts))


def _sensitivity(model: Model, codes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """f64[M, M]: E[J^T J] over codes and pixels, J a pixel's change along each of the steps."""
    size = len(steps)
    places = max(2, min(MAX_PLACES, DECODED // (2 * size), codes.shape[1]))
    category = np.arange(places) % len(codes)  # in turn
    chosen = codes[category, np.arange(places)]
    local = model.local(places, seed=model.run.config.seed)
    moves = STEP * np.stack([steps, -steps])  # [2, M, D]
    found = np.zeros((size, size))
    each = max(1, CHUNK // (2 * size))
    for first in range(0, places, each):
        part = slice(first, first + each)
        z = (chosen[part, None, None] + moves).reshape(-1, codes.shape[-1])
        x = model.decode(
            z.astype(np.float32),
            np.repeat(category[part], 2 * size) if model.run.game.prior.categories else None,
            np.repeat(local[part], 2 * size, axis=0),
        ).reshape(-1, 2, size, int(np.prod(model.shape)))
        slope = (x[:, 0] - x[:, 1]).astype(np.float64) / (2 * STEP)
        found += np.einsum("bip,bjp->ij", slope, slope) / slope.shape[-1]
    return found / places
