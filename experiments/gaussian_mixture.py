"""Slides, Fig. 5: a mixture of Gaussians, a standard GAN, and an implicit autoencoder with a
categorical global code and a Gaussian local code.

    python -m experiments.gaussian_mixture

Two sets, ring of 8 (radius 1, deviation .01) and grid of 25 (step 2, deviation .05), with the
published protocol: 2,500 samples; high quality is within 3 deviations of a centre; a mode is
captured if one such sample is there. Both models have the same hidden layers in generator and
discriminator (3 dense ones of 128, and for the discriminator a fine part that starts late), the
same batch, steps and optimizer. They differ in what goes in and out: the IAE's generator reads
a category and 4 components of noise, the GAN's 2; the IAE's discriminator has a logit for each
category, the GAN's one; and the IAE has an encoder.

Expected: 15 minutes on 2 idle CPU cores for ten seeds, 25 where the machine is shared. Measured
2026-11-25: IAE passes every aim in 10 of 10 seeds on both sets; the GAN finds 8 of 8 and 23.5 of 25
modes, with 76 % and 32 % of its samples near one.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iae_jax import (
    ALTERNATING,
    KL,
    NON_SATURATING,
    R1,
    Adversary,
    Objective,
    Players,
    build,
    cell,
    encode,
    generate,
    networks,
)
from iae_jax.data.planar import Mixture, grid, ring
from iae_jax.devices.seeds import seed_of, train_seeds
from iae_jax.metrics.clusters import accuracy
from iae_jax.metrics.modes import modes
from iae_jax.objectives import auxiliary as charges
from iae_jax.objectives import terms
from iae_jax.records.experiment import Clock, Measured, Running, main, progress
from iae_jax.records.references import Reference
from iae_jax.sampling import priors
from iae_jax.types import Array, Discriminator, Game, Params, Prior, Schedule

SETS = {"ring8": (ring(), 1.5), "grid25": (grid(), 0.5)}  # and what brings it to unit scale
LOCAL = 4  # size of the local code
WAVES = 128  # of the discriminator's fine part, a cosine and a sine each
FREQUENCIES = (3.0, 100.0)  # of these, log-uniform, in radians a unit of x
PROTOCOL = 2_500
# A mode's spread needs more samples than its presence: 1,000 of each of 25 modes give 2 %.
FOR_SPREAD = 25_000
CODED = 10_000
# The encoder is told E_q[T] of the positive pair; the generator's side is the usual practical
# choice.
SCORING = NON_SATURATING._replace(name="non_saturating_with_kl_encoder", numerator=KL.numerator)


NINE = {"seeds": 0.9}  # of ten
REFERENCES = {
    ("modes_captured", "ring8/iae"): Reference(8, "higher", "aim in 9 of 10: all", **NINE),
    ("modes_captured", "grid25/iae"): Reference(
        25, "higher", "aim in 9 of 10: all; PacGAN4 24.8 ± .2", **NINE
    ),
    ("modes_captured", "grid25/gan"): Reference(17.3, "higher", "PacGAN's GAN, ± .8"),
    ("high_quality_share", "ring8/iae"): Reference(0.97, "higher", "aim in 9 of 10", **NINE),
    ("high_quality_share", "grid25/iae"): Reference(
        0.97, "higher", "aim in 9 of 10; PacGAN4 .936", **NINE
    ),
    ("high_quality_share", "grid25/gan"): Reference(0.948, "higher", "PacGAN's GAN"),
    "cluster_accuracy": Reference(0.99, "higher", "aim in 9 of 10", **NINE),
} | {
    ("mode_sd_ratio", f"{name}/iae"): Reference(
        1.0, "near", "aim in 9 of 10", tolerance=0.15, **NINE
    )
    for name in SETS
}

NOTES = """
An aim of the project is all modes, 97 % of high quality, cluster accuracy .99 and the worst mode's
deviation within 15 % of the truth in at least 9 of 10 seeds, and all of it in 15 minutes. All 10 do
on both sets, on seeds 200 to 209, on which nothing was chosen. **The time is met on an idle machine
only**: seeds 0 to 9 (`--first_seed=0`) took 14 min 31 s, these 25 min on the same two virtual cores
at another hour. Without the discriminator's fine part the grid's worst mode had
.39 to .50 of the true deviation; without its late start modes were lost.

What was tuned, each on the grid: for the IAE the fine part's rate, start and R1, the size of the
local code (2, 4, 8) and R1's fall, on seeds 0 and 1; then the weights of the category's divergence
and entropy, on seeds 100 to 107, by the share of seeds whose code is one-to-one after 1,000 steps
(3 and .5: 7 of 8; 10 and 2: 5; 6 and 1: 8, but 8 of 10 of seeds 0 to 9; 10 and 1, 10 and .5,
3 and .2: still soft); at last a divergence of 10 with an entropy that rises from 1 to 2 while the
fine part comes in: 16 of 16 of seeds 100 to 115. Seeds 0 to 9 took part in choosing; those
reported did not.

For the GAN, on seeds 100 to 102, modes and high-quality share. With a fine part of 256 cosines
instead of 128 pairs, and 5,000 steps: R1 and rate as they are 25, 25, 24 and .47 to .54; a code of
8 components 18, 19, 18 and .33 to .38; R1 .05 23, 25, 23 and .45 to .54; rate 2e-3 23, 21, 20 and
.53 to .65. As it is now, 4,000 steps: fine rate 1 24, 25, 25 and .31 to .42; the same at rate 2e-3
25, 24, 24 and .27 to .34; no fine part and R1 that stays 25, 25, 25 and .25 to .33; no fine part
and R1 falling to a fiftieth 25, 24, 24 and .34 to .41: none clearly better than the setting
reported, which is the IAE's; the cosines and the longer run were (.46 in ten seeds after 4,500
steps, .49 after 5,000), so the GAN would gain from a larger budget; both would have to be given it,
and all then takes 18 minutes or more. The IAE had about twelve settings, the GAN eight. A published
GAN on the same grid reaches .948 with 17.3 modes: ours finds more modes and leaves more samples
between them, as a continuous map of a Gaussian does.
"""


class Settings(NamedTuple):
    steps: int = 4000
    batch_size: int = 256
    hidden: int = 128
    rate: float = 1e-3
    r1: float = 0.2
    r1_final: float = 0.1  # as a share of r1, reached halfway from fine_from to the end
    # The discriminator's fine part would disturb the search for the modes: it learns once they are
    # found.
    fine_from: float = 0.35  # the share of the run before it
    fine_rise: float = 0.3  # the share of the run in which its rate rises to its full height
    fine_rate: float = 5.0  # that height, over the coarse part's rate: slower, modes come out thin
    gan_rate: float = 1e-3
    gan_r1: float = 0.2
    gan_r1_final: float = 0.1
    gan_fine_rate: float = 5.0
    gan_size: int = 2  # of the GAN's code
    category_kl_weight: float = 10.0
    # Soft categories part, hard ones stay where they are: a code hardens once it is one-to-one.
    soft_entropy_weight: float = 1.0
    entropy_weight: float = 2.0
    harden_from: float = 0.25
    harden_until: float = 0.35


def batch(mixture: Mixture, size: int, key: Array) -> Array:
    return mixture.sample(key, size)[0]


def falling(settings: Settings, r1: float, final: float) -> Schedule:
    """Strong R1 finds the modes; then it falls, so that their shape is seen."""

    def weight(step: Array) -> Array:
        share = step / settings.steps
        late = jnp.maximum(0, (share - settings.fine_from) / (1 - settings.fine_from))
        return r1 * final ** jnp.minimum(1.0, 2 * late)

    return weight


def hardening(settings: Settings) -> Schedule:
    """The weight of H(y|x): low while the categories part, then up to its full height."""

    def weight(step: Array) -> Array:
        length = settings.harden_until - settings.harden_from
        risen = jnp.clip((step / settings.steps - settings.harden_from) / length, 0, 1)
        first = settings.soft_entropy_weight
        return first + (settings.entropy_weight - first) * risen

    return weight


def with_fine_part(coarse: Discriminator, outputs: int) -> Discriminator:
    """T(x) = coarse(x) + a linear map of waves of x, which starts at 0.

    A mode's deviation is a hundredth of the set's width, and a network of dense layers hardly sees
    differences so small (Tancik et al. 2020). The waves' frequencies are drawn once and stay.
    """

    turn, length = jax.random.uniform(jax.random.key(0), (2, WAVES))
    low, high = np.log(FREQUENCIES)
    direction = jnp.stack([jnp.cos(2 * jnp.pi * turn), jnp.sin(2 * jnp.pi * turn)])
    frequencies = jnp.exp(low + (high - low) * length) * direction

    def waves(x: Array) -> Array:
        phase = x @ frequencies
        return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)], axis=-1)

    def init(key: Array) -> Params:
        return {"coarse": coarse.init(key), "fine": jnp.zeros((2 * WAVES, outputs))}

    def apply(params: Params, x: Array | None, vector: Array | None) -> Array:
        assert x is not None
        return coarse.apply(params["coarse"], x, vector) + waves(x) @ params["fine"]

    return Discriminator(init, apply, coarse.reads)


def iae(settings: Settings, categories: int) -> Game:
    """Categorical global code, Gaussian local code."""
    layout = networks.Layout("mlp", hidden=settings.hidden, depth=3)
    objective = cell(
        "joint_reconstruction",
        "none",  # KL(q(y) || p(y)) is exact, a charge
        Adversary(SCORING, R1(falling(settings, settings.r1, settings.r1_final))),
        charges=(
            terms.scaled(settings.category_kl_weight, charges.marginal_kl()),
            terms.scaled(hardening(settings), charges.conditional_entropy()),
        ),
    )
    small = networks.Layout("mlp", hidden=settings.hidden // 2, depth=2)
    players = Players(
        networks.encoder(small, (2,), "deterministic", size=0, categories=categories),
        networks.generator(layout, (2,), 0, categories, noise=LOCAL, values="real"),
        with_fine_part(networks.discriminator(layout, (2,), ("x", "z"), 0, categories), categories),
    )
    rates = (settings.rate, settings.fine_rate)
    return _game(players, priors.categorical(categories), objective, settings, *rates)


def gan(settings: Settings) -> Game:
    """A standard GAN with a Gaussian code."""
    layout = networks.Layout("mlp", hidden=settings.hidden, depth=3)
    players = Players(
        None,
        networks.generator(layout, (2,), settings.gan_size, values="real"),
        with_fine_part(networks.discriminator(layout, (2,), ("x",)), 1),
    )
    r1 = R1(falling(settings, settings.gan_r1, settings.gan_r1_final))
    objective = cell("marginal_data", "none", Adversary(r1=r1))
    prior = priors.gaussian(settings.gan_size)
    rates = (settings.gan_rate, settings.gan_fine_rate)
    return _game(players, prior, objective, settings, *rates)


def _game(
    players: Players,
    prior: Prior,
    objective: Objective,
    settings: Settings,
    rate: float,
    fine_rate: float,
) -> Game:
    coarse = optax.cosine_decay_schedule(rate, settings.steps)

    def fine(step: Array) -> Array:
        risen = jnp.clip((step / settings.steps - settings.fine_from) / settings.fine_rise, 0, 1)
        return fine_rate * risen * coarse(step)

    adam = partial(optax.adam, b1=0.5, b2=0.9)
    discriminator = optax.multi_transform(
        {"coarse": adam(coarse), "fine": adam(fine)}, {"coarse": "coarse", "fine": "fine"}
    )
    optimizers = Players(players.encoder and adam(coarse), adam(coarse), discriminator)
    return build(players, prior, objective, optimizers, ALTERNATING)


def run(settings: Settings, seeds: Sequence[int]) -> Running:
    shown = {}
    for name, (mixture, scale) in SETS.items():
        clock, scaled = Clock(), mixture.scaled(scale)
        for model in ("iae", "gan"):
            variant = f"{name}/{model}"
            played = iae(settings, len(mixture.centres)) if model == "iae" else gan(settings)
            states, _ = train_seeds(
                played,
                partial(batch, scaled, settings.batch_size),
                settings.steps,
                seeds,
                progress(variant),
            )
            count = max(PROTOCOL, FOR_SPREAD)
            draw_samples = jax.jit(partial(generate, played, count=count))
            found, many, coded = [], [], []
            for s, seed in enumerate(seeds):
                params = seed_of(states, s).average
                # Samples of its own for each seed: what the protocol's 2,500 leave to chance shows.
                key = jax.random.fold_in(jax.random.key(1), seed)
                x = np.asarray(draw_samples(params, key=key)) / scale
                found.append(modes(mixture, x[:PROTOCOL]))
                many.append(modes(mixture, x))
                if model == "iae":
                    coded.append(_cluster_accuracy(played, params, scaled))
                if s == 0:
                    shown[variant] = x[:PROTOCOL]
            seconds = clock.lap()
            for metric, values, n in (
                ("modes_captured", [one.captured for one in found], PROTOCOL),
                ("high_quality_share", [one.high_quality_share for one in found], PROTOCOL),
                ("reverse_kl", [one.reverse_kl for one in found], PROTOCOL),
                ("mode_sd_ratio", [one.sd_ratio for one in many], count),
                ("cluster_accuracy", coded, CODED),
            ):
                if values:
                    yield Measured(metric, variant, values, n, seconds)
    return partial(draw, shown=shown)


def _cluster_accuracy(played: Game, params: Players, mixture: Mixture) -> float:
    """Of the most probable category, against the mode that x was drawn from."""
    x, mode = mixture.sample(jax.random.key(2), CODED)
    z = jax.jit(partial(encode, played))(params, x, jax.random.key(3))
    return accuracy(np.asarray(z.probabilities).argmax(axis=-1), np.asarray(mode))


def draw(path: Path, shown: dict[str, np.ndarray]) -> None:
    """Rows: the sets. Columns: the data, the GAN, the IAE."""
    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import dots, panels

    titles = [f"{name}: {what}" for name in SETS for what in ("data", "GAN", "IAE")]
    with panels(path, len(SETS), 3, titles) as axes:
        for row, (name, (mixture, _)) in zip(axes, SETS.items(), strict=True):
            data = np.asarray(mixture.sample(jax.random.key(4), PROTOCOL)[0])
            clouds = (data, shown[f"{name}/gan"], shown[f"{name}/iae"])
            reach = 1.3 * np.abs(mixture.centres).max()
            for ax, cloud, color in zip(row, clouds, (COLORS[6], *COLORS), strict=False):
                dots(ax, cloud, color=color)
                ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")


if __name__ == "__main__":
    raise SystemExit(main(__file__, run, Settings(), seeds=10, first_seed=200))
