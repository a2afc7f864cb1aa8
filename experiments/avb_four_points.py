"""AVB, Fig. 5 and its table: four data points, a two-dimensional code, three posteriors.

    python -m experiments.avb_four_points

The data are the four one-hot vectors of length 4, the likelihood is Bernoulli, p(z) = N(0, I). A
Gaussian posterior cannot cut the plane into four; an implicit one can. The log-likelihood is a
quadrature over the code; KL(q(z) || p(z)) and the ELBO are estimated from samples and their
nearest neighbours.

Expected: the Gaussian posterior measurably worse than the others; 10 minutes on 2 CPU cores for
five seeds without the adaptive contrast, which takes another 45. Measured 2026-11-25: log-
likelihood -1.583 ± .025 (VAE), -1.408 ± .001 (AVB), -1.400 ± .001 (adaptive contrast); KL(q(z) ||
p(z)) .152, .009, .169; ELBO -1.720, -1.415, -1.570.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iae_jax import KL, Adversary, Players, build, by_step, cell, encode, networks
from iae_jax.devices.seeds import seed_of, train_seeds
from iae_jax.metrics.distances import kl_to_normal
from iae_jax.records.experiment import Clock, Measured, Running, main, progress
from iae_jax.records.references import Reference
from iae_jax.sampling import priors
from iae_jax.types import Array, Code, Game

POINTS = np.eye(4, dtype=np.float32)
NOISE = 64
VARIANTS = {"vae": "analytic_kl", "avb": "joint_code", "avb_adaptive_contrast": "adaptive_contrast"}
REACH, BINS = 5.0, 100  # the histogram: [-5, 5] twice, bins of .1
QUADRATURE = 400  # nodes along each axis
# A turn of encoder and generator after so many of the discriminator.
TURNS = (("regularization_discriminator",),) * 2 + (("encoder", "generator"),)


IMPLICIT = ("avb", "avb_adaptive_contrast")
REFERENCES = {
    ("log_likelihood", variant): Reference(
        -1.42, "higher", "aim in 4 of 5; the optimum is -log 4 = -1.386", seeds=0.8
    )
    for variant in IMPLICIT
} | {
    ("kl_qz_pz", variant): Reference(0.05, "lower", "aim in 4 of 5", seeds=0.8)
    for variant in IMPLICIT
}


NOTES = """
Published (AVB's table, recalled, not checked here): log-likelihood -1.403 (AVB) and -1.568 (VAE),
KL(q(z) || p(z)) .026 and .165: our AVB is .005 less likely and nearer to the prior, our VAE .015
less likely. The aim holds for AVB in 5 of 5 seeds.

**With adaptive contrast the likelihood is higher in every seed, but q(z) is farther from p(z) than
the aim allows (KL .10 to .20)**, and its ELBO is .15 nats worse: its discriminator is shown codes
standardized by 32 draws, which blur what it has to tell, and it leaves a ridge along the cuts
between the four posteriors (see the figure) that it does not see. In trials, measured with the
histograms below, fixed draws in place of random ones, and |z|^2 / 2 added to its discriminator,
made it diverge; four moves of T (`TURNS`) instead of two for each of the players' lowered the KL by
a seventh, and gave AVB the same.

An earlier record measured the divergences with histograms, whose bins of .1 blur the edges of
q(z|x), and so had the KL of the adaptive contrast at .11 and AVB's ELBO above its log-likelihood;
what stands here is an estimate by nearest neighbours, whose test is a density with an edge. The VAE
has rates of its own; one of its seeds ends in a worse optimum (-1.627).
"""


class Settings(NamedTuple):
    steps: int = 10000
    batch_size: int = 256
    hidden: int = 64
    rate: float = 2e-4  # of the encoder: T must keep up with it
    generator_rate: float = 4e-4  # its loss is a likelihood, no game
    discriminator_hidden: int = 128
    discriminator_rate: float = 1e-3
    samples: int = 100_000  # of q(z|x), for each x


def batch(size: int, key: Array) -> Array:
    return jnp.asarray(POINTS)[jax.random.randint(key, (size,), 0, len(POINTS))]


def game(settings: Settings, variant: str) -> Game:
    """One of the three, with the same generator and, but for its noise, the same encoder."""
    layout = networks.Layout("mlp", hidden=settings.hidden, depth=3)
    wide = networks.Layout("mlp", hidden=settings.discriminator_hidden, depth=1)
    implicit = variant != "vae"
    encoder = (
        networks.encoder(layout, (4,), "implicit", size=2, noise=NOISE)
        if implicit
        else networks.encoder(layout, (4,), "gaussian", size=2)
    )
    discriminator = networks.discriminator(wide, (4,), ("x", "z"), size=2)
    if variant == "avb":
        # An adaptive contrast has |z|^2 in closed form already.
        discriminator = networks.with_quadratic(discriminator)
    players = Players(
        encoder,
        networks.generator(layout, (4,), size=2, likelihood="bernoulli"),
        None,
        discriminator if implicit else None,
    )

    turns = TURNS if implicit else TURNS[-1:]

    def adam(player: str, rate: float, rise: int = 0) -> optax.GradientTransformation:
        schedule = optax.warmup_cosine_decay_schedule(0, rate, rise, settings.steps, 0.05 * rate)
        return optax.adam(by_step(schedule, turns, player), b1=0.5)

    # T learns before the others move: a code that leaves the prior unseen does not come back.
    rise = settings.steps // 5 if implicit else 0
    slow = adam("encoder", settings.rate if implicit else settings.generator_rate, rise)
    likely = adam("generator", settings.generator_rate, rise)
    fast = adam("regularization_discriminator", settings.discriminator_rate)
    return build(
        players,
        priors.gaussian(2),
        cell("likelihood", VARIANTS[variant], regularization_adversary=Adversary(KL)),
        Players(slow, likely, None, fast if implicit else None),
        turns,
    )


def log_likelihood(played: Game, params: Players) -> float:
    """Mean over the four points of log of the integral of p(x|z) p(z), by the midpoint rule."""
    from scipy.special import logsumexp

    edges = np.linspace(-REACH, REACH, QUADRATURE + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    z = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2).astype(np.float32)
    log_prior = -0.5 * np.square(z).sum(axis=-1) - np.log(2 * np.pi)
    density = played.networks.generator.log_likelihood
    assert density is not None
    code, total = Code(vector=jnp.asarray(z)), []
    for x in POINTS:
        each = density(params.generator, code, jnp.broadcast_to(x, (len(z), 4)))
        terms = np.asarray(each, np.float64) + log_prior + 2 * np.log(edges[1] - edges[0])
        total.append(logsumexp(terms))
    return float(np.mean(total))


def histogram(z: np.ndarray) -> np.ndarray:
    """f64[BINS, BINS], for the figure."""
    edges = np.linspace(-REACH, REACH, BINS + 1)
    return np.histogram2d(z[:, 0], z[:, 1], bins=[edges, edges])[0]


def posteriors(
    played: Game, params: Players, samples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Samples of q(z|x) for each point, f32[4, samples, 2], and E_q log p(x|z), f64[4]."""
    draw_codes = jax.jit(partial(encode, played))
    density = played.networks.generator.log_likelihood
    assert density is not None
    found, expected = [], []
    for i, x in enumerate(POINTS):
        many = jnp.broadcast_to(x, (samples, 4))
        z = draw_codes(params, many, jax.random.fold_in(jax.random.key(100 + i), seed))
        expected.append(np.mean(np.asarray(density(params.generator, z, many), np.float64)))
        found.append(np.asarray(z.vector))
    return np.stack(found), np.array(expected)


def run(settings: Settings, seeds: Sequence[int]) -> Running:
    shown = {}
    for variant in VARIANTS:
        clock, played = Clock(), game(settings, variant)
        states, _ = train_seeds(
            played, partial(batch, settings.batch_size), settings.steps, seeds, progress(variant)
        )
        values: dict[str, list[float]] = {}
        for s, seed in enumerate(seeds):
            params = seed_of(states, s).average
            z, expected = posteriors(played, params, settings.samples, seed)
            divergence = float(np.mean([kl_to_normal(one) for one in z]))
            for name, value in (
                ("log_likelihood", log_likelihood(played, params)),
                ("reconstruction_error", -float(expected.mean())),
                ("kl_qz_pz", kl_to_normal(z.reshape(-1, 2))),
                ("kl_qzx_pz", divergence),
                ("elbo", float(expected.mean()) - divergence),
            ):
                values.setdefault(name, []).append(value)
            if s == 0:
                shown[variant] = np.stack([histogram(one) for one in z])
        seconds, n = clock.lap(), 4 * settings.samples
        for name, each in values.items():
            # A quadrature has no examples but the four points.
            count = 4 if name == "log_likelihood" else n
            yield Measured(name, variant, each, count, seconds)
    return partial(draw, shown=shown)


def draw(path: Path, shown: dict[str, Any]) -> None:
    """The four posteriors of each variant in one plane, a colour each."""
    from matplotlib.colors import to_rgb

    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import panels

    names = {"vae": "VAE", "avb": "AVB", "avb_adaptive_contrast": "AVB, adaptive contrast"}
    titles = [names[variant] for variant in shown]
    with panels(path, 1, len(shown), titles) as axes:
        for ax, histograms in zip(axes[0], shown.values(), strict=True):
            shares = histograms / histograms.max()
            ink = np.stack([1 - np.array(to_rgb(color)) for color in COLORS[:4]])
            picture = 1 - np.clip(np.einsum("xij,xc->jic", np.sqrt(shares), ink), 0, 1)
            ax.imshow(picture, origin="lower", extent=(-REACH, REACH) * 2, aspect="auto")
            ax.set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))


if __name__ == "__main__":
    raise SystemExit(main(__file__, run, Settings(), seeds=5))
