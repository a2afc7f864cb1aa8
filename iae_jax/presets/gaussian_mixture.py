"""Mixtures of Gaussians, by GANs and by an implicit autoencoder with a categorical code.

A variant is SET/MODEL: a ring of 8 modes (radius 1, SD 0.01) or a grid of 25 (step 2, SD 0.05),
each multiplied by a factor that brings it to unit scale, with the published protocol: 2,500
samples; a sample is of high quality within 3 SDs of a centre; a mode is captured if it has one such
sample. All models have the same hidden layers in generator and discriminator (3 dense ones of 128,
and in the discriminator a fine part that starts late), the same batch, steps and optimizer. They
differ in what goes in and out: the generators of `iae` and `gan_categorical` read a category and 4
components of noise, that of `gan` 2; the IAE's discriminator has a logit for each category, a GAN's
one; and the IAE has an encoder.
"""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iae_jax import networks
from iae_jax.data.planar import mixture_of
from iae_jax.errors import InputError
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.metrics.modes import modes
from iae_jax.runs.build import layout
from iae_jax.runs.config import Config
from iae_jax.sampling.model import generate
from iae_jax.types import Array, Discriminator, Params

SETS = {"ring8": ("ring", 1.5), "grid25": ("grid", 0.5)}  # and the factor
MODES = {"ring8": 8, "grid25": 25}
VARIANTS = tuple(f"{name}/{model}" for name in SETS for model in ("iae", "gan", "gan_categorical"))
SEEDS, FIRST_SEED = 10, 200  # no setting was chosen on these
TOGETHER = True  # all seeds of a variant at once
FIGURE_FILE = "cloud.npz"
WAVES = 128  # of the discriminator's fine part, a cosine and a sine each
FREQUENCIES = (3.0, 100.0)  # of these, log-uniform, in radians a unit of x
PROTOCOL = 2_500
STEPS = 4_000
FINE_START, FINE_RAMP = 1_400, 1_200
FINE_RATE = 5.0  # over that of the other part: with less, modes come out thin


def get_config(variant: str = "ring8/iae") -> Config:
    if variant not in VARIANTS:
        raise InputError(f"a variant is one of {', '.join(VARIANTS)}, not {variant!r}")
    name, _, model = variant.partition("/")
    kind, factor = SETS[name]
    here = "iae_jax.presets.gaussian_mixture"
    config = Config(steps=STEPS, batch_size=256)
    config.data.name = f"planar:{kind}(scale={factor})"
    config.data.train, config.data.validation = "train", "validation"
    config.metrics = (f"{here}:measure(name={name!r})",)
    for player in config.players:
        player.network.kind, player.network.hidden, player.network.depth = "mlp", 128, 3
        player.optimizer.rate, player.optimizer.final = 1e-3, 0.0
        player.optimizer.b2 = 0.9
    term = config.reconstruction
    term.discriminator = f"{here}:fine_discriminator"
    # The fine part would disturb the search for the modes: it learns once they are found.
    term.optimizer.kind = (
        f"{here}:two_rates(fine_rate={FINE_RATE}, start_steps={FINE_START}, ramp_steps={FINE_RAMP})"
    )
    # A strong R1 finds the modes; then it falls, so that their shape is seen.
    term.r1, term.r1_interval_steps, term.r1_final = 0.2, 1, 0.1
    term.r1_fall_from, term.r1_fall_until = 0.35, 0.675
    config.regularization.kind = "none"
    if model == "gan":
        config.code.size = 2
    else:
        config.code.size, config.code.categories = 0, MODES[name]
        config.generator.noise = 4
    if model == "iae":
        config.encoder.network.hidden, config.encoder.network.depth = 64, 2
        # The encoder gets E_q[T] of the positive pair; the generator the usual practical choice.
        term.scoring = "kl_numerator"
        # KL(q(y) || p(y)) is exact, an auxiliary loss.
        config.auxiliary.marginal.weight.value = 10.0
        # Soft categories separate, hard ones stay where they are: a code hardens once it is
        # one-to-one.
        entropy = config.auxiliary.entropy.weight
        entropy.start, entropy.value = 1.0, 2.0
        entropy.start_steps, entropy.ramp_steps = 1_000, 400
    else:
        term.kind = "marginal_data"
    run = config.run
    run.steps_per_call = run.log_steps = 200
    run.validate_steps = run.checkpoint_steps = run.figure_steps = 1_000
    run.classifier = False  # of points
    return config


def fine_discriminator(
    config: Config, shape: tuple[int, ...], reads: tuple[str, ...]
) -> Discriminator:
    """T(x) = coarse(x) + a linear map of waves of x, which starts at 0.

    A mode's SD is a hundredth of the set's width, and a network of dense layers hardly sees
    differences so small (Tancik et al. 2020). The waves' frequencies are drawn once and fixed.
    """
    own, code = layout(config.reconstruction.network), config.code
    coarse = networks.discriminator(own, shape, reads, code.size, code.categories)
    outputs = code.categories if code.categories and "z" in reads else 1
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

    return Discriminator(init, apply, reads)


def two_rates(
    rate: optax.ScalarOrSchedule,
    b1: float,
    b2: float,
    fine_rate: float,
    start_steps: float,
    ramp_steps: float,
) -> optax.GradientTransformation:
    """Adam, with a rate of its own for the fine part of a discriminator.

    fine_rate: over the other part's rate; 0 in the first `start_steps` moves of the player, from
    where it rises linearly in `ramp_steps`.
    """

    def fine(count: Array) -> Array:
        risen = jnp.clip((count - start_steps) / ramp_steps, 0, 1)
        return fine_rate * risen * (rate(count) if callable(rate) else rate)

    adam = partial(optax.adam, b1=b1, b2=b2)
    parts = {"coarse": adam(rate), "fine": adam(fine)}
    return optax.multi_transform(parts, {name: name for name in parts})


def measure(trained: Trained, name: str, samples: int = 25_000) -> Iterator[Measurement]:
    """The protocol on samples of the model. name: of the data set, in SETS. samples: for the SDs,
    which need more of them: 1,000 of each of 25 modes give 2 %."""
    kind, factor = SETS[name]
    mixture = mixture_of(kind)
    # Samples of its own for each seed, so that what the protocol's 2,500 leave to chance shows.
    key = jax.random.fold_in(jax.random.key(1), trained.seed)
    sample = jax.jit(partial(generate, trained.game, count=samples))
    x = np.asarray(sample(trained.params, key=key, local_scale=trained.local_scale)) / factor
    few = x[:PROTOCOL]
    found = modes(mixture, few)
    yield Measurement("modes_captured", found.captured, len(few))
    yield Measurement("high_quality_share", found.high_quality_share, len(few))
    yield Measurement("reverse_kl", found.reverse_kl, len(few))
    yield Measurement("mode_sd_ratio", modes(mixture, x).sd_ratio, len(x))
    if trained.folder is not None:
        write_npz(trained.folder / FIGURE_FILE, samples=few)
