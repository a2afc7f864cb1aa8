"""A data set of vectors: points on two interleaving half circles."""

import numpy as np

from iae_jax import ArraySource, Config, Dataset

SIZES = {"train": 400, "validation": 100, "test": 100}


def moons(split: str, deviation: float = 0.1) -> ArraySource:
    """x f32[N, 2] of any sign; the label says which half circle."""
    rng = np.random.default_rng(list(SIZES).index(split))
    labels = rng.integers(0, 2, SIZES[split])
    angle = np.pi * rng.random(len(labels))
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    x = np.where(labels[:, None] == 0, upper, [1.0, 0.5] - upper)
    x += deviation * rng.standard_normal(x.shape)
    return ArraySource(Dataset(x.astype(np.float32), labels), classes=2, values="real")


def get_config() -> Config:
    config = Config(steps=20, batch_size=16)
    config.data.name = "vectors:moons(deviation=0.05)"
    config.data.train, config.data.validation = "train", "validation"
    config.code.size = 2
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 16
    return config
