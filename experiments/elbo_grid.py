"""Slides, "Aggregated ELBO": every cell of reconstruction x regularization, ALI and GAN, on one set
in the plane, each term beside the same divergence computed numerically.

    python -m experiments.elbo_grid

Encoder and generator are the same in every cell: z = m(x) + s(x) e and x_hat = g(z) + .45 n. The
adversarial terms only see samples, but the densities are known, so that every divergence of the
slide can be computed: sums over a grid of x and Gauss-Hermite nodes of z. After training, the
players are frozen and each discriminator is trained on; E[T] is then its estimate. `elbo_gap` is
the largest difference of a cell's terms.

What the table shows: reconstruction + regularization is -ELBO for the VAE and AVB; AAE is short of
it by I(z;x); the adversarial row by H(x|z), so that IAE is short by their sum, H_data, a constant,
while the adversarial row under analytic_kl and joint_code is not the ELBO.

Expected: every estimate within .1 nat; 19 minutes on one CPU core for two seeds. Measured
2026-11-25, so: the gap is at most .075 (adversarial row under analytic KL), and .008 for AVB.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iae_jax import (
    KL,
    NON_SATURATING,
    R1,
    Adversary,
    Players,
    build,
    by_step,
    cell,
    encode,
    generate,
    networks,
)
from iae_jax.data.planar import ring
from iae_jax.devices.seeds import init_seeds, seed_of, train_seeds
from iae_jax.game.game import losses, noise_of
from iae_jax.metrics.quadrature import Exact, exact, marginal_data
from iae_jax.records.experiment import Clock, Measured, Running, main, progress
from iae_jax.records.references import Reference
from iae_jax.sampling import priors
from iae_jax.sampling.draws import example_keys
from iae_jax.types import (
    DISCRIMINATORS,
    PATH,
    Array,
    Code,
    Encoder,
    Encoding,
    Game,
    Generator,
    Params,
    TrainState,
)

DATA = ring(modes=5, radius=1.5, deviation=0.45)
DEVIATION = 0.45  # of p(x|z)
# The bounds of q(z|x): no narrower than the grid of x resolves; no mean farther out than samples of
# p(z) reach, since nothing in the column without regularization keeps a code where a discriminator
# has seen one.
NARROWEST, WIDEST = 0.25, 1.0
FARTHEST = 3.0
COLUMNS = ("none", "analytic_kl", "joint_code", "marginal_code")
CELLS = [
    *((row, column) for row in ("likelihood", "joint_reconstruction") for column in COLUMNS),
    ("joint_model", "none"),
    ("marginal_data", "none"),
]
# Of the discriminator, for each of encoder and generator: AVB's has to know q(z|x) for every x.
AVB_MOVES = 4
# Of the divergences that charge the information in z once more than the adversarial row already
# does: at 1 the code says little, and then a round p(x|z) drops modes of x given z.
OVERCHARGED = 0.3

REFERENCES = {"elbo_gap": Reference(0.1, "lower", "aim, nats", seeds=1.0)}

SHOWN = ("elbo_gap",)  # beside the table below


class Settings(NamedTuple):
    steps: int = 3000
    batch_size: int = 256
    hidden: int = 64
    rate: float = 1e-3
    # Of AVB's encoder, with which T must keep up, and of its generator, whose loss is no game.
    avb_rate: float = 2e-4
    avb_generator_rate: float = 4e-4
    r1: float = 0.02  # on the first term's discriminator while the players move
    discriminator_hidden: int = 128
    discriminator_rate: float = 1e-3
    converge_steps: int = 4000
    converge_rate: float = 3e-3
    converge_batch_size: int = 512
    samples: int = 50_000  # for a discriminator's estimate


def batch(size: int, key: Array) -> Array:
    return DATA.sample(key, size)[0]


def encoder_of(layout: networks.Layout) -> Encoder:
    """q(z|x) = N(m(x), s(x)^2), m within FARTHEST of 0, s between NARROWEST and WIDEST."""
    inner = networks.encoder(layout, (2,), "gaussian", size=2)

    def apply(params: Params, x: Array, noise: Array) -> Encoding:
        found = inner.apply(params, x, jnp.zeros_like(noise))
        assert found.mean is not None and found.log_variance is not None
        mean = FARTHEST * jnp.tanh(found.mean / FARTHEST)
        variance = NARROWEST**2 + (WIDEST**2 - NARROWEST**2) * jax.nn.sigmoid(found.log_variance)
        return Encoding(mean + jnp.sqrt(variance) * noise, mean, jnp.log(variance))

    return inner._replace(apply=apply)


def generator_of(layout: networks.Layout, implicit: bool) -> Generator:
    """p(x|z) = N(g(z), DEVIATION^2): by its samples, or by its density."""
    inner = networks.generator(layout, (2,), size=2, values="real")

    def mean(params: Params, z: Code, noise: Array | None = None) -> Array:
        assert z.vector is not None
        return inner.sample(params, z, jnp.zeros((len(z.vector), 0)))

    def sample(params: Params, z: Code, noise: Array) -> Array:
        return mean(params, z) + DEVIATION * noise

    def log_likelihood(params: Params, z: Code, x: Array) -> Array:
        each = jax.scipy.stats.norm.logpdf(x, mean(params, z), DEVIATION)
        return jnp.sum(each, axis=-1)

    if implicit:
        return Generator(inner.init, sample, 2)
    return Generator(inner.init, mean, 0, log_likelihood)


def game(settings: Settings, row: str, column: str, converge: bool = False) -> Game:
    """A cell. converge: only the discriminators move, to the end of their own schedule."""
    layout = networks.Layout("mlp", hidden=settings.hidden)
    wide = networks.Layout("mlp", hidden=settings.discriminator_hidden)
    r1 = None if converge else R1(settings.r1)
    # Beside a likelihood a divergence is played in nats; two games weigh alike.
    code = Adversary(KL if row == "likelihood" else NON_SATURATING)
    twice = row == "joint_reconstruction" and column in ("analytic_kl", "joint_code")
    objective = cell(
        row,
        column,
        Adversary(NON_SATURATING, r1),
        code,
        # What is estimated at last is the divergence itself.
        OVERCHARGED if twice and not converge else 1.0,
    )
    own = [
        networks.discriminator(wide, (2,), term.reads, size=2) if term.reads else None
        for term in objective[:2]
    ]
    if own[1] is not None and column == "joint_code":
        own[1] = networks.with_quadratic(own[1])
    players = Players(
        None if row == "marginal_data" else encoder_of(layout),
        generator_of(layout, row != "likelihood"),
        *own,
    )
    steps = settings.converge_steps if converge else settings.steps

    avb = (row, column) == ("likelihood", "joint_code")
    turns = (DISCRIMINATORS,) * (AVB_MOVES if avb else 1) + (PATH,)
    if converge:
        turns = (DISCRIMINATORS,)
    # T learns before the others move: a code that leaves the prior unseen does not come back.
    rise = steps // 5 if avb else 0

    def adam(player: str, rate: float, rise: int = 0) -> optax.GradientTransformation:
        schedule = optax.warmup_cosine_decay_schedule(0, rate, rise, steps)
        return optax.adam(by_step(schedule, turns, player), b1=0.9 if converge else 0.5)

    telling = settings.converge_rate if converge else settings.discriminator_rate
    optimizers = Players(
        players.encoder and adam("encoder", settings.avb_rate if avb else settings.rate, rise),
        adam("generator", settings.avb_generator_rate if avb else settings.rate, rise),
        *(player and adam(name, telling) for name, player in zip(DISCRIMINATORS, own, strict=True)),
    )
    return build(
        players,
        priors.gaussian(2),
        objective,
        optimizers,
        turns,
    )


def estimates(played: Game, state: TrainState, samples: int, seed: int) -> dict[str, float]:
    """What the cell's own terms say on fresh data: E[T] of a discriminator, or the term itself."""
    here, there = jax.random.split(jax.random.fold_in(jax.random.key(20), seed))
    x, keys = batch(samples, here), example_keys(there, 0, samples)
    noise = noise_of(played, keys)
    _, metrics = jax.jit(lambda params: losses(played, params, noise, state.step, x))(state.params)
    found = {}
    for part in ("reconstruction", "regularization"):
        name = f"{part}_numerator_logit"
        found[part] = float(metrics[name if name in metrics else part].mean())
    return found


def truth(row: str, column: str, numbers: Exact | None, data: float | None) -> tuple[float, float]:
    """The same two terms from the densities."""
    if row == "marginal_data":
        assert data is not None
        return data, 0.0
    assert numbers is not None
    named = numbers._asdict() | {
        "likelihood": numbers.negative_log_likelihood,
        "analytic_kl": numbers.joint_code,  # the same number: E_x KL(q(z|x) || p(z))
        "none": 0.0,
    }
    return named[row], named[column]


def run(settings: Settings, seeds: Sequence[int]) -> Running:
    shown = {}
    for row, column in CELLS:
        clock, variant = Clock(), f"{row}/{column}"
        played, final = game(settings, row, column), game(settings, row, column, converge=True)
        states, _ = train_seeds(
            played, partial(batch, settings.batch_size), settings.steps, seeds, progress(variant)
        )
        if any(player for player in played.networks[2:]):
            fresh = init_seeds(final, seeds)
            # The average is what evaluation reads: it is what is frozen.
            frozen = states.params._replace(
                **{name: getattr(states.average, name) for name in ("encoder", "generator")}
            )
            states, _ = train_seeds(
                final,
                partial(batch, settings.converge_batch_size),
                settings.converge_steps,
                seeds,
                states=dataclasses.replace(fresh, params=frozen),
            )
        else:
            states = dataclasses.replace(states, params=states.average)
        layout = networks.Layout("mlp", hidden=settings.hidden)
        noisy = generator_of(layout, implicit=True)
        values: dict[str, list[float]] = {}
        for s, seed in enumerate(seeds):
            state = seed_of(states, s)
            said = estimates(final, state, settings.samples, seed)
            encoder, numbers, data = played.networks.encoder, None, None
            if encoder is None:
                data = marginal_data(DATA, DEVIATION, noisy, state.params)
            else:
                numbers = exact(DATA, DEVIATION, encoder, noisy, state.params)
            right = truth(row, column, numbers, data)
            gaps = [abs(a - b) for a, b in zip(said.values(), right, strict=True)]
            found = {
                "elbo_gap": max(gaps),
                "reconstruction": said["reconstruction"],
                "reconstruction_exact": right[0],
                "regularization": said["regularization"],
                "regularization_exact": right[1],
            }
            if numbers is not None:
                bound = numbers.negative_log_likelihood + numbers.joint_code
                found |= {
                    "negative_elbo": bound,
                    "sum_minus_negative_elbo": sum(right) - bound,
                    "information": numbers.information,
                    "conditional_entropy": numbers.conditional_entropy,
                }
            for name, value in found.items():
                values.setdefault(name, []).append(value)
            if s == 0:
                shown[variant] = _clouds(played, noisy, state.params)
        seconds = clock.lap()
        yield from [
            Measured(name, variant, each, settings.samples, seconds)
            for name, each in values.items()
        ]
    return partial(draw, shown=shown)


def table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: each cell's terms as its discriminators say, and exactly; nats, mean over seeds."""
    means: dict[str, dict[str, float]] = {}
    for record in records:
        means.setdefault(record["variant"], {})[record["metric"]] = record["mean"]
    columns = (
        "reconstruction",
        "reconstruction_exact",
        "regularization",
        "regularization_exact",
        "negative_elbo",
        "sum_minus_negative_elbo",
    )
    rows = [
        "| cell | reconstruction | exactly | regularization | exactly | -ELBO | sum less -ELBO |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant, known in means.items():
        cells = [f"{known[name]:.3f}" if name in known else "" for name in columns]
        rows.append(f"| {variant} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _clouds(
    played: Game, noisy: Generator, params: Players
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Samples of the model, codes of data and the data's modes."""
    count = 600
    noisy_game = played._replace(networks=played.networks._replace(generator=noisy))
    samples = jax.jit(partial(generate, noisy_game, count=count))(params, key=jax.random.key(30))
    x, mode = DATA.sample(jax.random.key(31), count)
    codes = None
    if played.networks.encoder is not None:
        z = jax.jit(partial(encode, played))(params, x, jax.random.key(32))
        codes = np.asarray(z.vector)
    return np.asarray(samples), codes, np.asarray(mode)


def draw(path: Path, shown: dict) -> None:
    """Two rows of samples and of codes for each row of the grid ("adv.": the adversarial one); ALI
    and GAN at the right."""
    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import dots, panels

    names = {
        "likelihood/none": "autoencoder",
        "likelihood/analytic_kl": "VAE",
        "likelihood/joint_code": "AVB",
        "likelihood/marginal_code": "AAE",
        "joint_reconstruction/none": "adv. / none",
        "joint_reconstruction/analytic_kl": "adv. / KL",
        "joint_reconstruction/joint_code": "adv. / joint code",
        "joint_reconstruction/marginal_code": "IAE",
        "joint_model/none": "ALI / BiGAN",
        "marginal_data/none": "GAN",
    }
    rows = [
        [f"likelihood/{column}" for column in COLUMNS] + ["joint_model/none"],
        [f"joint_reconstruction/{column}" for column in COLUMNS] + ["marginal_data/none"],
    ]
    titles = []
    for row in rows:
        titles += [f"{names[variant]}: samples" for variant in row]
        titles += [f"{names[variant]}: codes" for variant in row[:-1]]
        titles.append("ALI / BiGAN: codes" if row is rows[0] else "data")
    data, mode = (np.asarray(part) for part in DATA.sample(jax.random.key(33), 600))
    colors = np.array(COLORS)
    with panels(path, 4, 5, titles, size=220) as axes:
        for i, row in enumerate(rows):
            for j, variant in enumerate(row):
                samples, codes, modes = shown[variant]
                dots(axes[2 * i][j], samples, color="0.3")
                below = axes[2 * i + 1][j]
                if codes is None:
                    dots(below, data, c=colors[mode])
                else:
                    dots(below, codes, c=colors[modes])
        for ax in [ax for line in axes for ax in line]:
            ax.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")


if __name__ == "__main__":
    raise SystemExit(main(__file__, run, Settings(), seeds=2))
