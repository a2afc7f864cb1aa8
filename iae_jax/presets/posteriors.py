"""How far below log p(x) the bound of each posterior is: binarized MNIST with a code in the plane.

Variants: joint/KIND: posterior and decoder learn together; frozen/KIND: a posterior of one decoder
that does not learn, that of joint/gaussian trained in the folder runs/posteriors_decoder. KIND is
gaussian, planar, iaf, spline, hvae_1, hvae_4 (leapfrogs) or avb, an iaf whose KL a discriminator
estimates.
"""

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.runs.config import Config
from iae_jax.runs.loaded import load
from iae_jax.types import Array, Code, Generator, Params

IAF = "flow(layer='autoregressive', layers=4, width=64)"
KINDS = {
    "gaussian": "gaussian",
    "planar": "flow(layer='planar', layers=8)",
    "iaf": IAF,
    "spline": "flow(layer='coupling', function='spline', layers=4, width=64)",
    "hvae_1": "hamiltonian(steps=1, first=0.02)",
    "hvae_4": "hamiltonian(steps=4, first=0.02)",
    "avb": IAF,
}
VARIANTS = tuple(f"{how}/{kind}" for how in ("frozen", "joint") for kind in KINDS)
DECODER = "runs/posteriors_decoder"
IMAGES, SAMPLES = 200, 100  # that a gap is measured on; of q(z|x) for each


def get_config(variant: str = "joint/gaussian") -> Config:
    if variant not in VARIANTS:
        raise InputError(f"a variant is one of {', '.join(VARIANTS)}, not {variant!r}")
    how, kind = variant.split("/")
    config = Config(steps=20_000, batch_size=100, turns="simultaneous")
    config.data.name, config.data.binarize = "mnist", True
    config.data.train, config.data.validation = "train[:55000]", "train[55000:]"
    config.metrics = (
        f"iae_jax.metrics.posterior_gap:bound_gap(images={IMAGES}, samples={SAMPLES})",
    )
    config.code.size = 2
    config.run.classifier = False  # of binarized images it would have to be trained
    config.encoder.kind = KINDS[kind]
    config.generator.likelihood, config.reconstruction.kind = "bernoulli", "likelihood"
    config.regularization.kind = "analytic_kl" if kind == "gaussian" else "sampled_kl"
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 300
        own = player.optimizer
        own.rate, own.b1, own.b2, own.final = 1e-3, 0.9, 0.999, 0.01
    if kind.startswith("hvae"):
        # A leapfrog that is too long for a sharp decoder is a jump.
        config.encoder.optimizer.clip = 10.0
    if kind == "avb":
        config.turns, config.regularization.kind = "four_to_one", "joint_code"
        # T(x, z) is near a quadratic form in z, and as steep as the posteriors are narrow.
        config.regularization.discriminator, config.regularization.scoring = "quadratic", "kl"
        config.regularization.r1, config.regularization.network.hidden = 0.0, 500
        # T learns before the others move, and keeps up with them.
        for player in (config.encoder, config.generator):
            own = player.optimizer
            own.rate, own.decay, own.warmup_steps = 3e-4, "warmup_cosine", 1_000
    if how == "frozen":
        config.generator.kind = f"iae_jax.presets.posteriors:frozen(run={DECODER!r})"
    return config


def frozen(config: Config, shape: tuple[int, ...], run: str) -> Generator:
    """The decoder of a trained run, which does not learn.

    Raises:
      InputError: there is no such run, or it is of other images or another code.
    """
    try:
        with (
            jax.ensure_compile_time_eval()
        ):  # a player is made where a term that reads it is traced
            model = load(run)
            learned = jax.device_get(model.params.generator)
    except InputError as error:
        raise InputError(
            f"frozen/ variants read a decoder ({error}): python -m iae_jax.launch "
            f"--config=posteriors:joint/gaussian --workdir={run}"
        ) from error
    if model.shape != tuple(shape) or model.run.game.prior.size != config.code.size:
        raise InputError(
            f"the decoder in {run} is of other images or of another code: name its run"
        )
    own = model.run.game.networks.generator
    if own is None or own.log_likelihood is None:
        raise InputError(f"the run in {run} has no likelihood: name another")
    likelihood, stop = own.log_likelihood, jax.lax.stop_gradient

    def sample(params: Params, z: Code, noise: Array) -> Array:
        return own.sample(stop(params), z, noise)

    def log_likelihood(params: Params, z: Code, x: Array) -> Array:
        return likelihood(stop(params), z, x)

    return own._replace(
        init=lambda key: jax.tree.map(jnp.asarray, learned),
        sample=sample,
        log_likelihood=log_likelihood,
        mean=None,
    )
