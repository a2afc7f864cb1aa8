"""A point of the plane as a small picture of where it is among the samples of a model."""

import numpy as np

SIDE = 96  # pixels
CLOUD = 3_000  # samples
DOT = 2  # pixels on each side of the middle one
WHITE, GREY, BLACK = 1.0, 0.7, 0.0


class Plane:
    """The plane around samples f32[N, 2], with 5 % of room around them. limits: (low, high) of
    either axis; x goes to the right, y up."""

    def __init__(self, samples: np.ndarray) -> None:
        low, high = samples.min(axis=0), samples.max(axis=0)
        room = np.maximum(0.05 * (high - low), 1e-6)
        self.limits = low - room, high + room
        self.cloud = np.full((SIDE, SIDE), WHITE, np.float32)
        self.cloud[tuple(self.pixel(samples).T)] = GREY

    def pixel(self, points: np.ndarray) -> np.ndarray:
        """The row and column i[N, 2] of points f32[N, 2]; those outside are on the margin."""
        low, high = self.limits
        share = (np.nan_to_num(points) - low) / (high - low)
        across = np.stack([1 - share[:, 1], share[:, 0]], axis=1)
        return np.clip((across * SIDE).astype(int), 0, SIDE - 1)

    def pictures(self, points: np.ndarray) -> np.ndarray:
        """A dot for each of the points f32[N, 2]: f32[N, SIDE, SIDE, 1]."""
        found = np.repeat(self.cloud[None], len(points), axis=0)
        for picture, (row, column) in zip(found, self.pixel(points), strict=True):
            up, left = max(row - DOT, 0), max(column - DOT, 0)
            picture[up : row + DOT + 1, left : column + DOT + 1] = BLACK
        return found[..., None]
