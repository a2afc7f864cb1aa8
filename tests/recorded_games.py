"""The games of the record of first steps: every variant, every kind of game, on small data and
networks."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from iae_jax.game.optimizers import Optimizer
from iae_jax.runs.config import Config, Network

STEPS, BATCH, SEED = 30, 12, 3
GREY, COLOUR = (8, 8, 1), (8, 8, 3)
YOUNGER = (  # variants
    "/learned_prior", "/joint_model", "/weight_", "flipped_", "improved_gan/", "/gan_categorical",
)  # fmt: skip


class Played(NamedTuple):
    """A variant on small data. options: of the Chunk."""

    config: Config
    shape: tuple[int, ...] = GREY
    devices: int = 1
    microbatches: int = 1


def small(config: Config) -> Config:
    """The same game with small networks, whose phases all fall into the first steps."""
    config.steps, config.batch_size, config.seed = STEPS, BATCH, SEED
    for player in config.players:
        player.network.width, player.network.hidden = 3, 9
    for term in (config.reconstruction, config.regularization):
        term.r1_interval_steps = 4
    losses = config.auxiliary
    for loss, step in ((losses.marginal, 7), (losses.sleep, 5), (losses.labels, 3)):
        if loss.weight.start_steps:
            loss.weight.start_steps = step
    if config.generator.ramp_steps:
        config.generator.ramp_start_steps, config.generator.ramp_steps = 4, 10
    if config.diffaugment.blur_steps:
        config.diffaugment.blur_steps = 15
    if config.code.size > 20:
        config.code.size = 21
    if config.generator.noise > 16:
        config.generator.noise = 17
    return config


def changed(**fields: object) -> Config:
    """The default config with a vector of 4 and these fields, "__" for the dots."""
    config = Config(turns=str(fields.pop("turns", "alternating")))
    config.code.size = 4
    for name, value in fields.items():
        *parts, last = name.split("__")
        section: object = config
        for part in parts:
            section = getattr(section, part)
        assert hasattr(section, last), name
        setattr(section, last, value)
    return small(config)


def weight(loss: str, value: float, start_steps: int = 0) -> dict[str, object]:
    fields: dict[str, object] = {f"auxiliary__{loss}__weight__value": value}
    return fields | (
        {f"auxiliary__{loss}__weight__start_steps": start_steps} if start_steps else {}
    )


LIKELIHOOD: dict[str, object] = {
    "reconstruction__kind": "likelihood", "generator__likelihood": "bernoulli",
}  # fmt: skip
GAUSSIAN = LIKELIHOOD | {"generator__likelihood": "gaussian"}
IMPLICIT: dict[str, object] = {"encoder__kind": "implicit", "encoder__noise": 3}
PRODUCT: dict[str, object] = {"code__categories": 5, "generator__noise": 3}
VAE = LIKELIHOOD | {"encoder__kind": "gaussian", "regularization__kind": "analytic_kl"}
GAMES: dict[str, tuple[dict[str, object], tuple[int, ...]]] = {
    "iae": ({}, GREY),
    "iae:implicit": (IMPLICIT | {"generator__noise": 5}, GREY),
    "iae:category": ({"code__size": 0, **PRODUCT}, GREY),
    "iae:product": (
        PRODUCT
        | weight("marginal", 0.7) | weight("code_information", 0.3) | weight("sleep", 0.2, 5)
        | weight("entropy", 0.1),
        GREY,
    ),
    "iae:gaussian_encoder": (
        {"encoder__kind": "gaussian", "generator__noise": 3}
        | weight("code_information", 0.4) | weight("consistency", 0.5),
        GREY,
    ),
    "vae": (VAE | {"turns": "simultaneous"}, GREY),
    "vae:gaussian": (VAE | {"generator__likelihood": "gaussian"}, GREY),
    "vae:product": (VAE | {"code__categories": 5}, GREY),
    "aae": (LIKELIHOOD, GREY),
    "aae:product": (LIKELIHOOD | {"code__categories": 5, "turns": "two_to_one"}, GREY),
    "avb": (
        LIKELIHOOD | IMPLICIT
        | {"regularization__kind": "joint_code", "regularization__scoring": "kl",
           "turns": "two_to_one"},
        GREY,
    ),
    "avb:adaptive_contrast": (
        LIKELIHOOD | IMPLICIT
        | {"regularization__kind": "adaptive_contrast", "regularization__scoring": "kl"},
        GREY,
    ),
    "autoencoder": (LIKELIHOOD | {"regularization__kind": "none"}, GREY),
    "ali": (
        {"reconstruction__kind": "joint_model", "regularization__kind": "none",
         "generator__noise": 3},
        GREY,
    ),
    "ali:product": (
        {"reconstruction__kind": "joint_model", "regularization__kind": "none",
         "code__categories": 5},
        GREY,
    ),
    "gan": ({"reconstruction__kind": "marginal_data", "regularization__kind": "none"}, GREY),
    "iae:analytic_kl": (
        {"encoder__kind": "gaussian", "regularization__kind": "analytic_kl",
         "generator__noise": 3},
        GREY,
    ),
    **{
        f"iae:{scoring}": (
            {"reconstruction__scoring": scoring, "regularization__scoring": scoring}, GREY,
        )
        for scoring in ("kl", "reverse_kl", "least_squares", "hinge")
    },
    "iae:diffaugment": (
        {"diffaugment__brightness": 0.2, "diffaugment__saturation": 0.3,
         "diffaugment__contrast": 0.3, "diffaugment__shift": 0.2, "diffaugment__cutout": 0.4},
        COLOUR,
    ),
    "iae:blur": ({"diffaugment__blur": 2.0, "diffaugment__blur_steps": 15}, GREY),
    "iae:ramp": (
        {"generator__noise": 5, "generator__noise_at": "depth", "generator__ramp_start_steps": 4,
         "generator__ramp_steps": 10},
        GREY,
    ),
    "iae:residual": (
        {"encoder__network__kind": "residual", "generator__network__kind": "residual",
         "generator__noise": 3},
        GREY,
    ),
    "iae:bfloat16": (
        {"encoder__network__precision": "bfloat16", "generator__network__precision": "bfloat16"},
        GREY,
    ),
    "iae:mlp": (
        {"encoder__network__kind": "mlp", "generator__network__kind": "mlp",
         "reconstruction__network__kind": "mlp", "generator__noise": 3,
         "generator__noise_at": "depth"},
        GREY,
    ),
    "iae:sgd": (
        {"encoder__optimizer__kind": "sgd", "generator__optimizer__warmup_steps": 9,
         "generator__optimizer__clip": 0.5, "reconstruction__optimizer__decay": "constant"},
        GREY,
    ),
    "iae:worst": (
        weight("consistency", 1.0)
        | {"affine__vat_radius": 2.0, "affine__noise": 0.1, "affine__cutout": 0.3,
           "affine__brightness": 0.2, "auxiliary__consistency__teacher": True},
        COLOUR,
    ),
    "iae:perturbed": (
        weight("consistency", 1.0) | {"encoder__pixel_noise": 0.3, "encoder__dropout": 0.3}, GREY,
    ),
}  # fmt: skip
CUT = {
    "pieces": {"microbatches": 2}, "devices": {"devices": 2},
    "devices_pieces": {"devices": 2, "microbatches": 2},
}  # fmt: skip


def recorded(variants: Iterable[str]) -> list[str]:
    """Those that are as old as the record."""
    return [one for one in variants if not any(word in one for word in YOUNGER)]


def few_labels(variant: str) -> Config:
    """A variant of `semisupervised` as it was when the record was made."""
    from iae_jax.presets import semisupervised

    config = semisupervised.get_config(variant)
    if variant.startswith("improved_gan"):
        supervised = semisupervised.get_config("supervised/mnist/100")
        config.encoder, config.data = supervised.encoder, supervised.data
        config.encoder.pixel_noise, config.encoder.dropout = 0.3, 0.5
        config.generator.network = Network(width=16, hidden=128)
        config.batch_size, config.ema, config.steps = 64, 0.999, 12_000
        for player, rate in ((config.encoder, 2e-3), (config.generator, 1e-3)):
            player.optimizer = Optimizer(rate=rate, final=0.1)
    return config


def variants() -> Iterator[tuple[str, Played]]:
    """Every game of the record that has a config of its own."""
    from iae_jax.presets import (
        celeba_reconstruction,
        digits,
        mnist_clustering,
        mnist_reconstruction,
        semisupervised,
        semisupervised_ablation,
        svhn_reconstruction,
    )

    yield "digits", Played(small(digits.get_config()))
    for module in (mnist_reconstruction, mnist_clustering, semisupervised_ablation):
        for variant in recorded(module.VARIANTS):
            name = f"{module.__name__.rpartition('.')[2]}:{variant}"
            yield name, Played(small(module.get_config(variant)))
    methods = ("improved_gan", "aae", "iae_plain", "iae_faithful", "iae_best", "supervised")
    for variant in ("full/mnist/all", *(f"{method}/mnist/100" for method in methods)):
        yield f"semisupervised:{variant}", Played(small(few_labels(variant)))
    for method in ("supervised", "iae_best"):
        variant = f"{method}/svhn_standin/1000"
        config = small(semisupervised.get_config(variant))
        yield f"semisupervised:{variant}", Played(config, COLOUR)
    for colour in (svhn_reconstruction, celeba_reconstruction):
        for variant in recorded(colour.VARIANTS + colour.FULL):
            if "standin" in variant or "full" in variant:
                name = f"{colour.__name__.rpartition('.')[2]}:{variant}"
                yield name, Played(small(colour.get_config(variant)), COLOUR)


def games() -> Iterator[tuple[str, Played]]:
    """Every kind of game, and a batch that is cut."""
    for name, (fields, shape) in GAMES.items():
        yield name, Played(changed(**fields), shape)
    for cut, options in CUT.items():
        yield f"product:{cut}", Played(changed(**PRODUCT, **weight("marginal", 0.7)), **options)
        for method in ("iae_best", "improved_gan"):
            config = small(few_labels(f"{method}/mnist/100"))
            yield f"{method}:{cut}", Played(config, **options)


def small_network(config: Config) -> Config:
    """The same game of a small problem with small networks."""
    config.steps, config.batch_size = STEPS, BATCH
    for player in config.players:
        # A network of half the others' width stays one.
        player.network.hidden = 4 if player.network.hidden == 64 else 8
    return config


def small_problems() -> Iterator[tuple[str, Config]]:
    """The mixtures, the regression, and ALI, whose data are drawn on the device; each for two
    seeds, SEEDS."""
    from iae_jax.presets import ali, gaussian_mixture, regression

    for variant in recorded(gaussian_mixture.VARIANTS):
        config = small_network(gaussian_mixture.get_config(variant))
        # Near the same shares of the run.
        entropy = config.auxiliary.entropy.weight
        if entropy.start_steps:
            entropy.start_steps, entropy.ramp_steps = 8, 3
        part = f"start_steps={0.35 * STEPS}, ramp_steps={0.3 * STEPS}"
        kind = f"iae_jax.presets.gaussian_mixture:two_rates(fine_rate=5.0, {part})"
        config.reconstruction.optimizer.kind = kind
        yield f"gaussian_mixture:{variant}", config
    for variant in regression.VARIANTS:
        config = small_network(regression.get_config(variant))
        for player in config.players:
            player.network.hidden = 8
        yield f"regression:{variant}", config
    for variant in recorded(ali.VARIANTS):
        config = small_network(ali.get_config(variant))
        for player in config.players:
            player.network.width = 3
        yield f"ali:{variant}", config


def code_problems() -> Iterator[tuple[str, Config]]:
    """The four points, every cell of the grid, and the priors of AAE, on digits; each for two
    seeds, SEEDS."""
    from iae_jax.presets import aae_priors, avb_four_points, elbo_grid

    for module in (avb_four_points, elbo_grid, aae_priors):
        for variant in recorded(module.VARIANTS):
            config = module.get_config(variant)
            config.steps, config.batch_size = STEPS, BATCH
            if module is aae_priors:
                config.data.name = "iae_jax.presets.aae_priors:binarized(name='digits')"
            for player in config.players:
                player.network.hidden = 8
                if player.optimizer.warmup_steps:
                    player.optimizer.warmup_steps = STEPS // 5
            yield f"{module.__name__.rpartition('.')[2]}:{variant}", config
