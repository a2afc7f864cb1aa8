"""The README's example, run as it stands there."""

import re
from pathlib import Path

import jax
import numpy as np


def test_the_example_runs_and_learns_something():
    text = (Path(__file__).parent.parent / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(example.strip().splitlines()) <= 12
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 28, 28, 1), dtype=np.uint8)
    names = {"batches": [jax.numpy.asarray(x) / 255 for x in images]}
    exec(example, names)
    assert names["x_hat"].shape == (4, 28, 28, 1)
    assert int(names["state"].step) == 2
    assert all(np.isfinite(value) for value in names["metrics"].values())
