"""Every cell of reconstruction x regularization, and ALI, GAN, InfoGAN and FIAE, in the plane.

A variant is ROW/COLUMN. Encoder and generator are the same in every cell: z = m(x) + s(x) e and
x_hat = g(z) + 0.45 n. The adversarial terms only read samples, but the densities are known, so that
every divergence can be computed: sums over a grid of x and Gauss-Hermite nodes of z. To evaluate,
encoder and generator are frozen and each discriminator is trained further; E[T] is then its
estimate. `elbo_gap` is the largest difference of a cell's terms; `sample_divergence` is
KL(p_data || p(x)), how far samples of the model are from the data.
"""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax import networks
from iae_jax.data.planar import mixture_of
from iae_jax.errors import InputError
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.converged import Training, cell_of, converged, estimates, frozen
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.metrics.quadrature import Exact, Flipped, exact, flipped, marginal_data
from iae_jax.runs.build import layout
from iae_jax.runs.config import Config
from iae_jax.sampling.model import encode, generate
from iae_jax.types import Array, Code, Encoder, Encoding, Game, Generator, Params, Players

KIND = "ring(modes=5, radius=1.5, deviation=0.45)"
DATA = mixture_of(KIND)
DEVIATION = 0.45  # of p(x|z)
# The bounds of q(z|x): no narrower than the grid of x resolves; no mean farther out than samples of
# p(z) reach, since nothing in the column without regularization keeps a code where a discriminator
# has had samples.
NARROWEST, WIDEST = 0.25, 1.0
FARTHEST = 3.0
COLUMNS = ("none", "analytic_kl", "joint_code", "marginal_code")
CELLS = [
    *((row, column) for row in ("likelihood", "joint_reconstruction") for column in COLUMNS),
    ("joint_model", "none"),
    ("marginal_data", "none"),
    ("flipped_likelihood", "marginal_data"),
    ("flipped_reconstruction", "marginal_data"),
]
VARIANTS = tuple(f"{row}/{column}" for row, column in CELLS)
SEEDS, FIRST_SEED, TOGETHER = 3, 0, True
# Weight of the divergences that count the information in z once more than the adversarial row
# already does: at 1 the code says little, and then a round p(x|z) drops modes of x given z.
COUNTED_TWICE = 0.3
CLOUD = 600  # points of each cloud in the figure
FIGURE_FILE = "clouds.npz"


def bounded_gaussian(config: Config, shape: tuple[int, ...]) -> Encoder:
    """q(z|x) = N(m(x), s(x)^2), m within FARTHEST of 0, s between NARROWEST and WIDEST."""
    inner = networks.encoder(
        layout(config.encoder.network), shape, "gaussian", size=config.code.size
    )

    def apply(params: Params, x: Array, noise: Array) -> Encoding:
        found = inner.apply(params, x, jnp.zeros_like(noise))
        assert found.mean is not None and found.log_variance is not None
        mean = FARTHEST * jnp.tanh(found.mean / FARTHEST)
        variance = NARROWEST**2 + (WIDEST**2 - NARROWEST**2) * jax.nn.sigmoid(found.log_variance)
        return Encoding(mean + jnp.sqrt(variance) * noise, mean, jnp.log(variance))

    return inner._replace(apply=apply)


def round_generator(config: Config, shape: tuple[int, ...]) -> Generator:
    """p(x|z) = N(g(z), DEVIATION^2 I) by its samples alone, an implicit p(x|z)."""
    inner = networks.generator(
        layout(config.generator.network), shape, size=config.code.size, values="real"
    )
    return noisy(inner)


def noisy(generator: Generator) -> Generator:
    """The generator of x = g(z) + DEVIATION n, from that of the mean g(z)."""

    def sample(params: Params, z: Code, noise: Array) -> Array:
        assert z.vector is not None
        return generator.sample(params, z, jnp.zeros((len(z.vector), 0))) + DEVIATION * noise

    return Generator(generator.init, sample, 2)


def get_config(variant: str = "joint_reconstruction/marginal_code") -> Config:
    """A cell, as ROW/COLUMN."""
    if variant not in VARIANTS:
        raise InputError(f"a variant is one of {', '.join(VARIANTS)}, not {variant!r}")
    row, column = variant.split("/")
    avb = variant == "likelihood/joint_code"
    # The discriminator of AVB moves four times: it has to know q(z|x) for every x.
    config = Config(steps=3000, batch_size=256, turns="four_to_one" if avb else "alternating")
    config.metrics = ("iae_jax.presets.elbo_grid:measure",)
    config.data.name = f"planar:{KIND}"
    config.data.train, config.data.validation = "train", "validation"
    config.code.size = 2
    config.encoder.kind = "iae_jax.presets.elbo_grid:bounded_gaussian"
    if row == "likelihood":
        config.generator.likelihood, config.generator.deviation = "gaussian", DEVIATION
        # Beside a likelihood a divergence is played in nats; two games weigh alike.
        config.regularization.scoring = "kl"
    else:
        config.generator.kind = "iae_jax.presets.elbo_grid:round_generator"
    config.reconstruction.kind, config.regularization.kind = row, column
    config.reconstruction.r1, config.reconstruction.r1_interval_steps = 0.02, 1
    config.regularization.r1 = 0.0
    if column == "joint_code":
        config.regularization.discriminator = "quadratic"
    if row == "joint_reconstruction" and column in ("analytic_kl", "joint_code"):
        config.regularization.weight = COUNTED_TWICE
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 64
        own = player.optimizer
        own.rate, own.b2, own.decay, own.final = 1e-3, 0.999, "warmup_cosine", 0.0
    for term in (config.reconstruction, config.regularization):
        term.network.hidden = 128
    if avb:
        # T must keep up with the encoder; the generator's loss is no game.
        config.encoder.optimizer.rate, config.generator.optimizer.rate = 2e-4, 4e-4
        # T learns before the others move: a code that leaves the prior early does not come back.
        config.encoder.optimizer.warmup_steps = config.generator.optimizer.warmup_steps = 600
    return config


def sample(key: Array, count: int) -> Array:
    return DATA.sample(key, count)[0]


def truth(
    row: str, column: str, numbers: Exact | None, data: float, own: Flipped | None = None
) -> tuple[float, float]:
    """The same two terms from the densities. data: KL(p_data || p(x)). own: of the flipped rows."""
    if row == "marginal_data":
        return data, 0.0
    if own is not None:
        return own._asdict()[row], data
    assert numbers is not None
    named = numbers._asdict() | {
        "likelihood": numbers.negative_log_likelihood,
        "analytic_kl": numbers.joint_code,  # the same number: E_x KL(q(z|x) || p(z))
        "none": 0.0,
    }
    return named[row], named[column]


def measure(
    trained: Trained,
    converge_steps: int = Training().steps,
    converge_batch_size: int = Training().batch_size,
    samples: int = 50_000,
) -> Iterator[Measurement]:
    """A cell's terms in nats, as its discriminators estimate them and from the densities. No split
    is read: the data are drawn anew.

    Args:
      trained: the model; the clouds of the figure go to its folder.
      converge_steps, converge_batch_size: of the discriminators, while the others are frozen.
      samples: that E[T] is a mean over.
    """
    training = Training(converge_steps, converge_batch_size)
    game = frozen(trained.game, training)
    state = converged(game, trained, training, sample)
    key = jax.random.fold_in(jax.random.key(20), trained.seed)
    estimated = estimates(game, state, sample, samples, key)
    encoder, generator = game.networks[:2]
    assert generator is not None
    # Of a likelihood, samples are the mean.
    generator = noisy(generator) if generator.log_likelihood else generator
    data = marginal_data(DATA, DEVIATION, generator, state.params)
    numbers = None
    if encoder is not None:
        numbers = exact(DATA, DEVIATION, encoder, generator, state.params)
    row, column = cell_of(game)
    own = None
    if row in Flipped._fields:
        assert encoder is not None
        own = flipped(DEVIATION, encoder, generator, state.params)
    right = truth(row, column, numbers, data, own)
    gaps = [abs(a - b) for a, b in zip(estimated.values(), right, strict=True)]
    found = {
        "elbo_gap": max(gaps),
        "reconstruction": estimated["reconstruction"],
        "reconstruction_exact": right[0],
        "regularization": estimated["regularization"],
        "regularization_exact": right[1],
        "sample_divergence": data,
    }
    if numbers is not None:
        bound = numbers.negative_log_likelihood + numbers.joint_code
        found |= {
            "negative_elbo_exact": bound,
            "sum_minus_negative_elbo": sum(right) - bound,
            "information": numbers.information,
            "conditional_entropy": numbers.conditional_entropy,
        }
    for name, value in found.items():
        yield Measurement(name, value, samples)
    if trained.folder is not None:
        write_npz(trained.folder / FIGURE_FILE, **clouds(game, generator, state.params))


def clouds(game: Game, generator: Generator, params: Players) -> dict[str, np.ndarray]:
    """For the figure: samples of the model f32[CLOUD, 2], codes of data, if there is an encoder,
    and the modes of the data i32[CLOUD]. generator: with its noise."""
    game = game._replace(networks=game.networks._replace(generator=generator))
    samples = jax.jit(partial(generate, game, count=CLOUD))(params, key=jax.random.key(30))
    x, mode = DATA.sample(jax.random.key(31), CLOUD)
    found = {"samples": np.asarray(samples), "modes": np.asarray(mode)}
    if game.networks.encoder is not None:
        z = jax.jit(partial(encode, game))(params, x, jax.random.key(32))
        found["codes"] = np.asarray(z.vector)
    return found
