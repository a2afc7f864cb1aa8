"""Slides, "Regression": least squares and adversarial regression on a conditional with two branches
and a width that depends on the input.

    python -m experiments.regression

Both are cells of the grid with a fixed encoder that reads the input c off the pair x = (c, y):
least squares is the likelihood row (a Gaussian of fixed width), adversarial regression is the joint
reconstruction, KL(p(c, y) || p(c) p(y_hat | c)).

Expected: the adversarial samples follow p(y|c), at most a tenth of the energy distance of least
squares, whose answer is the conditional mean, where there is no data. Measured 2026-11-25 (5 seeds,
106 s on one CPU core): .0021 ± .0009 against .6084 ± .0009; least squares is .005 off the mean.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iae_jax import R1, Adversary, Players, build, cell, networks
from iae_jax.devices.seeds import seed_of, train_seeds
from iae_jax.metrics.distances import energy_distance
from iae_jax.records.experiment import Clock, Measured, Running, main, progress
from iae_jax.records.references import Reference
from iae_jax.sampling import model as sampling
from iae_jax.sampling import priors
from iae_jax.types import Array, Code, Encoder, Encoding, Game, Generator

INPUTS = 21  # where the conditional is measured
NOISE = 2


REFERENCES = {
    ("mean_error", "least_squares"): Reference(0.03, "lower", "aim: it shows the conditional mean"),
    ("energy_distance_ratio", "adversarial"): Reference(
        0.1, "lower", "aim: a tenth of least squares'", seeds=1.0
    ),
}


class Settings(NamedTuple):
    steps: int = 6000
    batch_size: int = 256
    hidden: int = 64
    rate: float = 1e-3
    r1: float = 0.02
    samples: int = 4000  # for each input


def branches(c: Array) -> tuple[Array, Array, Array, Array]:
    """p(y|c): the share of the upper branch, both means, the deviation of both."""
    share = 0.5 + 0.25 * c
    return share, 0.9 + 0.4 * jnp.sin(3 * c), -0.6 + 0.5 * c, 0.04 + 0.16 * (1 + c) / 2


def conditional(key: Array, c: Array) -> Array:
    """y ~ p(y|c): f32[N] -> f32[N]; the key is consumed."""
    share, upper, lower, deviation = branches(c)
    which, where = jax.random.split(key)
    mean = jnp.where(jax.random.uniform(which, c.shape) < share, upper, lower)
    return mean + deviation * jax.random.normal(where, c.shape)


def batch(size: int, key: Array) -> Array:
    """Pairs x = (c, y): f32[size, 2]."""
    here, there = jax.random.split(key)
    c = jax.random.uniform(here, (size,), minval=-1.0, maxval=1.0)
    return jnp.stack([c, conditional(there, c)], axis=-1)


def game(settings: Settings, adversarial: bool) -> Game:
    """Adversarial regression, or least squares."""
    layout = networks.Layout("mlp", hidden=settings.hidden, depth=3)
    # What is given is the code: nothing to learn.
    encoder = Encoder(
        lambda key: {}, lambda params, x, noise: Encoding(vector=x[:, :1]), 0, factorized=False
    )
    inner = networks.generator(
        layout, (1,), size=1, noise=NOISE if adversarial else 0, values="real"
    )

    def sample(params: dict, z: Code, noise: Array) -> Array:
        assert z.vector is not None
        return jnp.concatenate([z.vector, inner.sample(params, z, noise)], axis=-1)

    def log_likelihood(params: dict, z: Code, x: Array) -> Array:
        mean = inner.sample(params, z, jnp.zeros((x.shape[0], 0)))[:, 0]
        return jax.scipy.stats.norm.logpdf(x[:, 1], mean, 1.0)

    generator = Generator(inner.init, sample, inner.noise, None if adversarial else log_likelihood)
    discriminator = networks.discriminator(layout, (2,), ("x", "z"), size=1)
    rate = optax.cosine_decay_schedule(settings.rate, settings.steps)
    adam = optax.adam(rate, b1=0.5, b2=0.9)
    return build(
        Players(encoder, generator, discriminator if adversarial else None),
        priors.gaussian(1),  # of no consequence: no term reads it
        cell("joint_reconstruction", "none", Adversary(r1=R1(settings.r1)))
        if adversarial
        else cell("likelihood", "none"),
        Players(optax.identity(), adam, adam if adversarial else None),
    )


def predictions(
    trained: Game, params: Players, c: np.ndarray, samples: int, seed: int
) -> np.ndarray:
    """y_hat for each input: f32[inputs, samples]."""
    z = Code(vector=jnp.repeat(jnp.asarray(c), samples)[:, None])
    key = jax.random.fold_in(jax.random.key(0), seed)
    drawn = jax.jit(partial(sampling.decode, trained))(params, z, key)
    return np.asarray(drawn)[:, 1].reshape(len(c), samples)


def run(settings: Settings, seeds: Sequence[int]) -> Running:
    clock = Clock()
    c = np.linspace(-1, 1, INPUTS, dtype=np.float32)
    wide = jnp.repeat(jnp.asarray(c), settings.samples)
    truth = np.asarray(conditional(jax.random.key(10), wide)).reshape(INPUTS, -1)
    share, upper, lower, _ = (np.asarray(part) for part in branches(jnp.asarray(c)))
    mean = share * upper + (1 - share) * lower
    shown = {}
    for variant, adversarial in (("least_squares", False), ("adversarial", True)):
        played = game(settings, adversarial)
        states, _ = train_seeds(
            played, partial(batch, settings.batch_size), settings.steps, seeds, progress(variant)
        )
        drawn = [
            predictions(played, seed_of(states, s).average, c, settings.samples, seed)
            for s, seed in enumerate(seeds)
        ]
        distances = np.array(
            [[energy_distance(y, t) for y, t in zip(one, truth, strict=True)] for one in drawn]
        )
        shown[variant] = (drawn[0], distances)
        seconds = clock.lap()
        count = INPUTS * settings.samples
        yield from [
            Measured("energy_distance", variant, distances.mean(axis=1), count, seconds),
            Measured(
                "worst_energy_distance", variant, distances.max(axis=1), settings.samples, seconds
            ),
            Measured(
                "mean_error",
                variant,
                [np.abs(one.mean(axis=1) - mean).mean() for one in drawn],
                count,
                seconds,
            ),
        ]
        if adversarial:
            ratios = distances.mean(axis=1) / shown["least_squares"][1].mean(axis=1)
            yield Measured("energy_distance_ratio", variant, ratios, count, seconds)
    return partial(draw, c=c, truth=truth, mean=mean, shown=shown)


def draw(path: Path, c: np.ndarray, truth: np.ndarray, mean: np.ndarray, shown: dict) -> None:
    """The conditional, both answers, and the energy distance at each input."""
    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import panels

    few = min(60, truth.shape[1])  # points of each input
    with panels(path, 1, 4, ["data", "least squares", "adversarial", "energy distance"]) as axes:
        for ax, (y, color) in zip(
            axes[0],
            (
                (truth, COLORS[6]),
                (shown["least_squares"][0], COLORS[0]),
                (shown["adversarial"][0], COLORS[1]),
            ),
            strict=False,
        ):
            ax.plot(c, mean, color="0.6", label="E[y|c]")
            ax.scatter(np.repeat(c, few), y[:, :few], s=3, color=color)
            ax.set(xlabel="c", ylabel="y", ylim=(-1.6, 1.9))
        axes[0][0].legend(fontsize="small")
        for (variant, (_, distances)), color in zip(shown.items(), COLORS, strict=False):
            axes[0][3].plot(c, distances.mean(axis=0), color=color, label=variant)
        axes[0][3].set(xlabel="c", yscale="log")
        axes[0][3].legend(fontsize="small")


if __name__ == "__main__":
    raise SystemExit(main(__file__, run, Settings(), seeds=5))
