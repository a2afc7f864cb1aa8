"""ALI/BiGAN against IAE with the same encoder, generator and joint discriminator, on a set in the
plane and on the digits.

    python -m iae_jax.launch --config=experiments/ali.py:digits/ali --workdir=runs/digits_ali

    python -m iae_jax.sweep ali

ALI matches q(x, z) to p(x, z) with one discriminator and never learns which code a reconstruction
came from; IAE's first discriminator reads x and x_hat of the same z. What this is worth: the
reconstruction error over that of random pairs, and how far a code moves when it is decoded and
encoded again.

Expected: 5 minutes on one CPU core for three seeds. Measured 2026-11-25, the error over that of
random pairs: in the plane 0.243 ± 0.088 (IAE) and 0.152 ± 0.012 (ALI), on the digits 0.531 ± 0.009
and 0.537 ± 0.007.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data import ArraySource, Source, load, open_source
from iae_jax.errors import InputError
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.records.references import Headline
from iae_jax.runs.config import Config
from iae_jax.sampling.model import generate, reconstruct
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VARIANTS = ("plane/iae", "plane/ali", "digits/iae", "digits/ali")
SEEDS, FIRST_SEED = 3, 0
TOGETHER = True  # all seeds of a variant at once
VIEWS: tuple[str, ...] = ()
SHOWN = ("pixel_error_ratio", "pixel_error", "random_pair_error", "code_consistency")
HEADLINE = tuple(
    Headline("reconstruction error over that of random pairs", "pixel_error_ratio", variant)
    for variant in VARIANTS
)
FIGURE_FILE = "reconstructed.npz"
POINTS = 300  # of a panel
SIDE = 6  # images of a panel, down and across


def get_config(variant: str = "digits/ali") -> Config:
    if variant not in VARIANTS:
        raise InputError(f"a variant is one of {', '.join(VARIANTS)}, not {variant!r}")
    name, _, model = variant.partition("/")
    config = Config(steps=4_000)
    joint, codes = config.reconstruction, config.regularization
    for player in config.players:
        player.network.hidden = 128
    for term in (joint, codes):
        term.r1_interval_steps = 1
    config.metrics = ("experiments.ali:keep_for_figure",)
    config.data.train, config.data.validation = "train", "validation"
    if name == "plane":
        config.batch_size, config.code.size = 128, 2
        config.data.name = "planar:ring(modes=5, radius=1.5, deviation=0.3)"
        config.data.test = "test[:5000]"
        joint.r1 = codes.r1 = 0.05
        for player in config.players:
            player.network.kind, player.optimizer.rate = "mlp", 1e-3
    else:
        config.batch_size, config.code.size = 64, 6
        config.data.name = "experiments.ali:digits"
        # It trains on all images, and nothing is chosen by these.
        config.data.validation = "train[1350:]"
        for player in config.players:
            player.network.width, player.optimizer.rate = 16, 5e-4
    if model == "ali":
        joint.kind, codes.kind = "joint_model", "none"
    run = config.run
    run.steps_per_call = run.log_steps = 200
    run.validate_steps = run.checkpoint_steps = run.figure_steps = 1_000
    run.classifier = False
    return config


def digits(split: str, directory: str = "") -> Source:
    """The digits, which batches are drawn from with replacement, on the device. directory: where
    TFDS keeps them, "" is its default."""
    stored = open_source("digits", split, directory or None)
    source = ArraySource(load(stored), stored.classes)
    images = jnp.asarray(load(stored).x)

    def sample(key: Array, count: int) -> Array:
        return to_unit(images[jax.random.randint(key, (count,), 0, len(images))])

    source.sample = sample
    return source


def keep_for_figure(trained: Trained) -> Iterable[Measurement]:
    """Writes what `draw` shows: all that is measured here is measured of every model."""
    if trained.folder is not None:
        x = np.asarray(to_unit(jnp.asarray(trained.x[:POINTS])))
        keys = jax.random.split(jax.random.fold_in(jax.random.key(60), trained.seed))
        params = trained.params
        x_hat = jax.jit(partial(reconstruct, trained.game))(params, x, keys[0])
        samples = jax.jit(partial(generate, trained.game, count=len(x)))(params, key=keys[1])
        write_npz(trained.folder / FIGURE_FILE, x=x, x_hat=x_hat, samples=samples)
    return ()


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Columns: the sets and models. Rows: originals, reconstructions, prior samples. runs: variant
    -> its folder."""
    from iae_jax.files.figures import panels

    rows = {"original": "x", "reconstruction": "x_hat", "prior samples": "samples"}
    names = [variant.split("/") for variant in VARIANTS]
    titles = [f"{name}, {model.upper()}: {row}" for row in rows for name, model in names]
    with panels(path, len(rows), len(VARIANTS), titles, size=290) as axes:
        for column, variant in enumerate(VARIANTS):
            with np.load(runs[variant] / FIGURE_FILE) as file:
                shown = dict(file)
            for row, what in zip(axes, rows.values(), strict=True):
                if shown[what].ndim == 2:
                    # Colour says where the original was.
                    angle = None if what == "samples" else np.arctan2(*shown["x"].T)
                    _draw_points(row[column], shown[what], angle)
                else:
                    _draw_images(row[column], shown[what])


def _draw_points(ax: "Axes", points: np.ndarray, angle: np.ndarray | None) -> None:
    from iae_jax.files.figures import dots

    dots(ax, points, 5, **({"color": "0.3"} if angle is None else {"c": angle, "cmap": "twilight"}))
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")


def _draw_images(ax: "Axes", images: np.ndarray) -> None:
    tiles = np.pad(images[: SIDE**2, ..., 0], ((0, 0), (1, 1), (1, 1)), constant_values=1)
    lines = [np.concatenate(list(tiles[i : i + SIDE]), 1) for i in range(0, len(tiles), SIDE)]
    ax.imshow(np.concatenate(lines), cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()
