"""How samples cover the modes of a known mixture: the published protocol (PacGAN, section 4.1).

A sample is of high quality if it lies within 3 SDs of a centre; a mode is captured if it has at
least one such sample.
"""

from typing import NamedTuple

import numpy as np

from iae_jax.data.planar import Mixture

WITHIN = 3.0  # SDs
# SD along one axis of a round Gaussian in the plane that is cut off at 3 SDs, as high-quality
# samples are, over the SD of the whole.
_OUTSIDE = np.exp(-(WITHIN**2) / 2)
CUT = float(np.sqrt(1 - 0.5 * WITHIN**2 * _OUTSIDE / (1 - _OUTSIDE)))


class Modes(NamedTuple):
    """captured: modes with a high-quality sample. high_quality_share: of all samples. reverse_kl:
    KL(shares of the modes, by the nearest centre || uniform) in nats. sd_ratio: over the modes,
    the SD of the high-quality samples around their own mean (both axes together) over that of the
    truth, where it is farthest from 1 (0 for a mode with fewer than two)."""

    captured: int
    high_quality_share: float
    reverse_kl: float
    sd_ratio: float


def modes(mixture: Mixture, x: np.ndarray) -> Modes:
    """x: f32[N, 2], samples of a model."""
    offsets = x[:, None].astype(np.float64) - mixture.centres
    distances = np.sqrt(np.square(offsets).sum(axis=-1))
    nearest = distances.argmin(axis=1)
    good = distances.min(axis=1) <= WITHIN * mixture.deviation
    count = len(mixture.centres)
    captured = len(set(nearest[good]))
    shares = np.bincount(nearest, minlength=count) / len(x)
    present = shares[shares > 0]
    ratios = []
    for mode in range(count):
        own = x[good & (nearest == mode)].astype(np.float64)
        spread = np.sqrt(own.var(axis=0, ddof=1).mean()) if len(own) > 1 else 0.0
        ratios.append(spread / (CUT * mixture.deviation))
    worst = max(ratios, key=lambda ratio: abs(np.log(max(ratio, 1e-9))))
    return Modes(
        captured, float(good.mean()), float(np.sum(present * np.log(present * count))), float(worst)
    )
