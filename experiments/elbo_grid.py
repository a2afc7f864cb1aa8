"""Slides, "Aggregated ELBO": every cell of reconstruction x regularization, ALI and GAN, on one set
in the plane, each term beside the same divergence computed numerically.

    python -m iae_jax.launch --config=experiments/elbo_grid.py:likelihood/joint_code \\
        --workdir=runs/avb
    python -m iae_jax.sweep elbo_grid

Encoder and generator are the same in every cell: z = m(x) + s(x) e and x_hat = g(z) + 0.45 n. The
adversarial terms only read samples, but the densities are known, so that every divergence of the
slide can be computed: sums over a grid of x and Gauss-Hermite nodes of z. After training, encoder
and generator are frozen and each discriminator is trained further; E[T] is then its estimate.
`elbo_gap` is the largest difference of a cell's terms.

What the table shows: reconstruction + regularization is -ELBO for the VAE and AVB; AAE is short of
it by I(z;x); the adversarial row by H(x|z), so that IAE is short by their sum, H_data, a constant,
while the adversarial row under analytic_kl and joint_code is not the ELBO.

Expected: every estimate within 0.1 nats; 19 minutes on one CPU core for two seeds. Measured
2026-11-25, so: the gap is at most 0.075 (adversarial row under analytic KL), and 0.008 for AVB.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.converged import Training, cell_of, converged, estimates, frozen
from iae_jax import (
    Code,
    Config,
    Encoder,
    Encoding,
    Game,
    Generator,
    InputError,
    Players,
    encode,
    generate,
    networks,
)
from iae_jax.data.planar import mixture_of
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.metrics.quadrature import Exact, exact, marginal_data
from iae_jax.records.references import Headline, Reference
from iae_jax.runs.build import layout
from iae_jax.types import Array, Params

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
]
VARIANTS = tuple(f"{row}/{column}" for row, column in CELLS)
SEEDS, FIRST_SEED, TOGETHER = 2, 0, True
VIEWS: tuple[str, ...] = ()
# Weight of the divergences that count the information in z once more than the adversarial row
# already does: at 1 the code says little, and then a round p(x|z) drops modes of x given z.
COUNTED_TWICE = 0.3
CLOUD = 600  # points of each cloud in the figure
FIGURE_FILE = "clouds.npz"

REFERENCES = {"elbo_gap": Reference(0.1, "lower", "aim, nats", seeds=1.0)}
SHOWN = ("elbo_gap",)  # beside the table below
HEADLINE = tuple(
    Headline("largest error of an estimated term (nats)", "elbo_gap", variant)
    for variant in ("joint_reconstruction/marginal_code", "joint_reconstruction/analytic_kl")
)


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
    config.metrics = ("experiments.elbo_grid:measure",)
    config.data.name = f"planar:{KIND}"
    config.data.train, config.data.validation = "train", "validation"
    config.code.size = 2
    config.encoder.kind = "experiments.elbo_grid:bounded_gaussian"
    if row == "likelihood":
        config.generator.likelihood, config.generator.deviation = "gaussian", DEVIATION
        # Beside a likelihood a divergence is played in nats; two games weigh alike.
        config.regularization.scoring = "kl"
    else:
        config.generator.kind = "experiments.elbo_grid:round_generator"
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
    numbers, data = None, None
    if encoder is None:
        data = marginal_data(DATA, DEVIATION, generator, state.params)
    else:
        numbers = exact(DATA, DEVIATION, encoder, generator, state.params)
    right = truth(*cell_of(game), numbers, data)
    gaps = [abs(a - b) for a, b in zip(estimated.values(), right, strict=True)]
    found = {
        "elbo_gap": max(gaps),
        "reconstruction": estimated["reconstruction"],
        "reconstruction_exact": right[0],
        "regularization": estimated["regularization"],
        "regularization_exact": right[1],
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


def table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: each cell's terms by its discriminators, and exactly; nats, mean over seeds."""
    means: dict[str, dict[str, float]] = {}
    for record in records:
        means.setdefault(record["variant"], {})[record["metric"]] = record["mean"]
    columns = ("reconstruction", "reconstruction_exact", "regularization", "regularization_exact",
               "negative_elbo_exact", "sum_minus_negative_elbo")  # fmt: skip
    rows = [
        "| cell | reconstruction | exactly | regularization | exactly | -ELBO | sum less -ELBO |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant, known in means.items():
        cells = [f"{known[name]:.3f}" if name in known else "" for name in columns]
        rows.append(f"| {variant} | {' | '.join(cells)} |")
    return "\n".join(rows)


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Two rows of samples and of codes for each row of the grid ("adv.": the adversarial one); ALI
    and GAN at the right. runs: variant -> its workdir."""
    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import dots, panels

    names = {
        "likelihood/none": "autoencoder", "likelihood/analytic_kl": "VAE",
        "likelihood/joint_code": "AVB", "likelihood/marginal_code": "AAE",
        "joint_reconstruction/none": "adv. / none",
        "joint_reconstruction/analytic_kl": "adv. / KL",
        "joint_reconstruction/joint_code": "adv. / joint code",
        "joint_reconstruction/marginal_code": "IAE",
        "joint_model/none": "ALI / BiGAN", "marginal_data/none": "GAN",
    }  # fmt: skip
    rows = [
        [f"likelihood/{column}" for column in COLUMNS] + ["joint_model/none"],
        [f"joint_reconstruction/{column}" for column in COLUMNS] + ["marginal_data/none"],
    ]
    titles = []
    for row in rows:
        titles += [f"{names[variant]}: samples" for variant in row]
        titles += [f"{names[variant]}: codes" for variant in row[:-1]]
        titles.append("ALI / BiGAN: codes" if row is rows[0] else "data")
    data, mode = (np.asarray(part) for part in DATA.sample(jax.random.key(33), CLOUD))
    colors = np.array(COLORS)
    with panels(path, 4, 5, titles, size=220) as axes:
        for i, row in enumerate(rows):
            for j, variant in enumerate(row):
                with np.load(runs[variant] / FIGURE_FILE) as file:
                    cloud = dict(file)
                dots(axes[2 * i][j], cloud["samples"], color="0.3")
                below = axes[2 * i + 1][j]
                if "codes" in cloud:
                    dots(below, cloud["codes"], c=colors[cloud["modes"]])
                else:
                    dots(below, data, c=colors[mode])
        for ax in [ax for line in axes for ax in line]:
            ax.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
