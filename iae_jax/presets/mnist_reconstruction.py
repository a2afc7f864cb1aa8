"""MNIST reconstructions as the global code shrinks and a local one takes over.

Variants by the sizes of both codes: deterministic_20 (no local code), global_10_local_100,
global_5_local_100, the same with a global size of 2, 20 and 50; and other models, vae_20, aae_20,
ali_20. VARIANT/learned_prior, of some: p(z), a mixture of 100 Gaussians, learns from the codes.
global_10_local_100/joint_model: ALI's discriminator of pairs in the place of that of codes.
VARIANT/weight_W: another weight of the regularization than 0.1, or than the joint model's 1.
"""

from iae_jax.errors import InputError
from iae_jax.runs.config import Config

# Sizes of the global and of the local code.
SIZES = {
    "deterministic_20": (20, 0),
    "global_10_local_100": (10, 100),
    "global_5_local_100": (5, 100),
    "vae_20": (20, 0),
    "aae_20": (20, 0),
    "ali_20": (20, 0),
    # The curve over the global size.
    "global_2_local_100": (2, 100),
    "global_20_local_100": (20, 100),
    "global_50_local_100": (50, 100),
}
# Agreement and samples trade against each other by the weight of the regularization.
WEIGHTS = ("0.3", "1", "3")
WEIGHED = ("global_10_local_100", "global_10_local_100/learned_prior")
VARIANTS = (
    *SIZES,
    *(f"{one}/learned_prior" for one in ("deterministic_20", "global_10_local_100", "vae_20")),
    "global_10_local_100/joint_model",
    "global_10_local_100/joint_model/weight_0.3",
    *(f"{one}/weight_{weight}" for one in WEIGHED for weight in WEIGHTS),
)


def get_config(variant: str = "deterministic_20") -> Config:
    if variant not in VARIANTS:
        raise InputError(f"a variant is one of {', '.join(VARIANTS)}, not {variant!r}")
    variant, *options = variant.split("/")
    size, local = SIZES[variant]
    config = Config(steps=6_000, turns="alternating")
    config.data.name = "mnist"
    config.data.train, config.data.validation = "train[:55000]", "train[55000:]"
    config.code.size = size
    config.generator.noise = local
    for player in config.players:
        player.optimizer.rate, player.optimizer.final = 5e-4, 0.3
    config.reconstruction.r1 = config.regularization.r1 = 0.1
    model = variant.split("_")[0]
    marginal, consistency, information = (
        getattr(config.auxiliary, name).weight
        for name in ("marginal", "consistency", "code_information")
    )
    if model in ("deterministic", "global"):
        # Consistency: z is to say first what an affine change leaves as it is.
        marginal.value = consistency.value = information.value = 1.0
        # More information in the code, at the price of samples further from the data.
        config.regularization.weight = 0.1
    if model == "deterministic":
        config.steps = 10_000
        config.reconstruction.r1, config.reconstruction.r1_final = 0.01, 0.1
        consistency.value, information.value = 0.2, 5.0
    if local:
        config.reconstruction.numerator_weight = 0.05
    if model in ("vae", "aae"):
        config.generator.likelihood = "bernoulli"
        config.reconstruction.kind = "likelihood"
    if model == "vae":
        config.encoder.kind, config.regularization.kind = "gaussian", "analytic_kl"
        config.turns = "simultaneous"
    if model == "ali":
        config.reconstruction.kind, config.regularization.kind = "joint_model", "none"
    if "joint_model" in options:
        config.regularization.kind, config.regularization.weight = "joint_model", 1.0
        config.steps = 9_700
    for option in options:
        if option.startswith("weight_"):
            config.regularization.weight = float(option.removeprefix("weight_"))
    if "learned_prior" in options:
        config.prior.kind, config.prior.rate = "mixture(components=100)", 10.0
        if model == "vae":
            config.regularization.kind = "sampled_kl"
    return config
