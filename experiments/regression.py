"""Slides, "Regression": least squares and adversarial regression on a conditional with two branches
and a width that depends on the input.

    python -m iae_jax.launch --config=experiments/regression.py:adversarial \\
        --workdir=runs/regression

    python -m iae_jax.sweep regression

Both are cells of the grid with a fixed encoder that reads the input c off the pair x = (c, y):
least squares is the likelihood row (a Gaussian of fixed width), adversarial regression is the joint
reconstruction, KL(p(c, y) || p(c) p(y_hat | c)).

Expected: the adversarial samples follow p(y|c), at most a tenth of the energy distance of least
squares, whose answer is the conditional mean, where there is no data. Measured 2026-11-25 (5 seeds,
106 s on one CPU core): 0.0021 ± 0.0009 against 0.6084 ± 0.0009; least squares is 0.005 off the
mean.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax import networks
from iae_jax.data import Source, SyntheticSource
from iae_jax.errors import InputError
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.distances import energy_distance
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.records.references import Headline, Reference
from iae_jax.runs.build import layout
from iae_jax.runs.config import Config
from iae_jax.sampling.model import decode
from iae_jax.types import Array, Code, Encoder, Encoding, Generator, Params

VARIANTS = ("least_squares", "adversarial")
SEEDS, FIRST_SEED = 5, 0
TOGETHER = True  # all seeds of a variant at once
VIEWS: tuple[str, ...] = ()
SHOWN = ("energy_distance", "worst_energy_distance", "mean_error", "energy_distance_ratio")
FIGURE_FILE = "predictions.npz"
INPUTS = 21  # where the conditional is measured

REFERENCES = {
    ("mean_error", "least_squares"): Reference(0.03, "lower", "aim: it shows the conditional mean"),
    ("energy_distance_ratio", "adversarial"): Reference(
        0.1, "lower", "aim: a tenth of least squares'", seeds=1.0
    ),
}
HEADLINE = (
    Headline("distance to the data over least squares'", "energy_distance_ratio", "adversarial"),
)


def get_config(variant: str = "adversarial") -> Config:
    if variant not in VARIANTS:
        raise InputError(f"a variant is one of {', '.join(VARIANTS)}, not {variant!r}")
    here = "experiments.regression"
    config = Config(steps=6_000, batch_size=256, turns="simultaneous")
    config.data.name = f"{here}:pairs"
    config.data.train, config.data.validation = "train", "validation"
    config.metrics = (f"{here}:measure",)
    config.code.size = 1
    config.encoder.kind, config.generator.kind = f"{here}:given_code", f"{here}:conditional_of_code"
    for player in config.players:
        player.network.kind, player.network.hidden, player.network.depth = "mlp", 64, 3
        player.optimizer.rate, player.optimizer.final = 1e-3, 0.0
        player.optimizer.b2 = 0.9
    config.regularization.kind = "none"
    if variant == "adversarial":
        config.generator.noise = 2
        config.reconstruction.r1, config.reconstruction.r1_interval_steps = 0.02, 1
    else:
        config.reconstruction.kind = "likelihood"
        config.generator.likelihood, config.generator.deviation = "gaussian", 1.0
    run = config.run
    run.steps_per_call = run.log_steps = 200
    run.validate_steps = run.checkpoint_steps = run.figure_steps = 1_000
    return config


def branches(c: Array) -> tuple[Array, Array, Array, Array]:
    """p(y|c): the share of the upper branch, both means, the SD of both."""
    share = 0.5 + 0.25 * c
    return share, 0.9 + 0.4 * jnp.sin(3 * c), -0.6 + 0.5 * c, 0.04 + 0.16 * (1 + c) / 2


def conditional(key: Array, c: Array) -> Array:
    """y ~ p(y|c): f32[N] -> f32[N]; the key is consumed."""
    share, upper, lower, deviation = branches(c)
    which, where = jax.random.split(key)
    mean = jnp.where(jax.random.uniform(which, c.shape) < share, upper, lower)
    return mean + deviation * jax.random.normal(where, c.shape)


def pairs(split: str) -> Source:
    """x = (c, y) with c uniform in [-1, 1): f32[2]."""

    def sample(key: Array, count: int) -> tuple[Array, None]:
        here, there = jax.random.split(key)
        c = jax.random.uniform(here, (count,), minval=-1.0, maxval=1.0)
        return jnp.stack([c, conditional(there, c)], axis=-1), None

    return SyntheticSource(split, sample, (2,), classes=None)


def given_code(config: Config, shape: tuple[int, ...]) -> Encoder:
    """What is given is the code: nothing to learn."""
    return Encoder(lambda key: {}, lambda params, x, noise: Encoding(vector=x[:, :1]), 0)


def conditional_of_code(config: Config, shape: tuple[int, ...]) -> Generator:
    """(c, y_hat) of the code c, with a density of y_hat for least squares."""
    own = config.generator
    inner = networks.generator(layout(own.network), (1,), 1, noise=own.noise, values="real")

    def sample(params: Params, z: Code, noise: Array) -> Array:
        assert z.vector is not None
        return jnp.concatenate([z.vector, inner.sample(params, z, noise)], axis=-1)

    def log_likelihood(params: Params, z: Code, x: Array) -> Array:
        mean = inner.sample(params, z, jnp.zeros((len(x), 0)))[:, 0]
        return jax.scipy.stats.norm.logpdf(x[:, 1], mean, own.deviation)

    density = None if own.likelihood == "none" else log_likelihood
    return Generator(inner.init, sample, own.noise, density)


def measure(trained: Trained, samples: int = 4_000) -> Iterator[Measurement]:
    """y_hat beside p(y|c), at equidistant inputs. energy_distance: mean over the inputs.
    mean_error: mean absolute difference of the means. energy_distance_ratio: over the distance of
    E[y|c] itself, which least squares estimates. samples: of each input."""
    c = np.linspace(-1, 1, INPUTS, dtype=np.float32)
    wide = jnp.repeat(jnp.asarray(c), samples)
    truth = np.asarray(conditional(jax.random.key(10), wide)).reshape(INPUTS, samples)
    share, upper, lower, _ = (np.asarray(part) for part in branches(jnp.asarray(c)))
    mean = share * upper + (1 - share) * lower
    key = jax.random.fold_in(jax.random.key(0), trained.seed)
    sample = jax.jit(partial(decode, trained.game))
    drawn = sample(trained.params, Code(vector=wide[:, None]), key, trained.local_scale)
    y = np.asarray(drawn)[:, 1].reshape(INPUTS, samples)

    def distances(of: np.ndarray) -> np.ndarray:
        return np.array([energy_distance(*both) for both in zip(of, truth, strict=True)])

    own, of_mean = distances(y), distances(np.broadcast_to(mean[:, None], truth.shape))
    yield Measurement("energy_distance", own.mean(), truth.size)
    yield Measurement("worst_energy_distance", own.max(), samples)
    yield Measurement("mean_error", np.abs(y.mean(axis=1) - mean).mean(), truth.size)
    yield Measurement("energy_distance_ratio", own.mean() / of_mean.mean(), truth.size)
    if trained.folder is not None:
        shown = {"c": c, "truth": truth, "mean": mean, "y": y, "distances": own}
        write_npz(trained.folder / FIGURE_FILE, **shown)


def draw(path: Path, runs: dict[str, Path]) -> None:
    """The conditional, both answers, and the energy distance at each input. runs: variant -> its
    folder."""
    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import panels

    shown = {}
    for variant in VARIANTS:
        with np.load(runs[variant] / FIGURE_FILE) as file:
            shown[variant] = dict(file)
    c, truth, mean = (shown["adversarial"][name] for name in ("c", "truth", "mean"))
    few = min(60, truth.shape[1])  # points of each input
    clouds = [(truth, COLORS[6])]
    clouds += [(shown[variant]["y"], COLORS[i]) for i, variant in enumerate(VARIANTS)]
    with panels(path, 1, 4, ["data", "least squares", "adversarial", "energy distance"]) as axes:
        for ax, (y, color) in zip(axes[0], clouds, strict=False):
            ax.plot(c, mean, color="0.6", label="E[y|c]")
            ax.scatter(np.repeat(c, few), y[:, :few], s=3, color=color)
            ax.set(xlabel="c", ylabel="y", ylim=(-1.6, 1.9))
        axes[0][0].legend(fontsize="small")
        for variant, color in zip(VARIANTS, COLORS, strict=False):
            axes[0][3].plot(c, shown[variant]["distances"], color=color, label=variant)
        axes[0][3].set(xlabel="c", yscale="log")
        axes[0][3].legend(fontsize="small")
