"""Nats of binarized MNIST: posteriors beyond a Gaussian, decoders beyond a product over pixels.

Variants: vae; flow/planar, flow/iaf, flow/spline and hvae, the same with another posterior;
vae/short, as many steps as hvae has; made, window_3, window_5, window_7 and pixelcnn, with an
autoregressive decoder; vlae, with a window and a prior that learns.
"""

from iae_jax.errors import InputError
from iae_jax.runs.config import Config

POSTERIORS = {
    "vae": "gaussian",
    "vae/short": "gaussian",
    "flow/planar": "flow(layer='planar', layers=8)",
    "flow/iaf": "flow(layer='autoregressive', layers=4, width=128)",
    "flow/spline": "flow(layer='coupling', function='spline', layers=4, width=128)",
    "hvae": "hamiltonian(steps=3)",
}
WINDOW = "pixelcnn(layers=4, width=16, first={}, kernel=1)"
DECODERS = {
    "made": "made(width=500)",
    "window_3": WINDOW.format(3),
    "window_5": WINDOW.format(5),
    "window_7": WINDOW.format(7),
    "pixelcnn": "pixelcnn(layers=3, width=16, first=7, kernel=3)",
    "vlae": WINDOW.format(5),
}
VARIANTS = (*POSTERIORS, *DECODERS)
# Steps, and examples of a step, where 120,000 of 100 are estimated to take over half an hour.
STEPS = {
    "vae/short": (50_000, 100),
    "hvae": (50_000, 100),
    "made": (90_000, 100),
    **{name: (18_000, 64) for name in DECODERS if name != "made"},
    "pixelcnn": (20_000, 32),
}
SAMPLES = 500  # of the importance-weighted bound
# Of a few images; and bounds from both sides. Each is 5 million passes of the decoder or gradients,
# as the bound of all images is.
MORE = "iae_jax.metrics.evidence:importance(samples=5000, images=1000)"
BOTH_SIDES = "iae_jax.metrics.annealed:bounds(images=50, chains=8, temperatures=500, leapfrogs=10)"
IMAGES = 500  # that an autoregressive decoder reconstructs, a pixel at a time


def get_config(variant: str = "vae") -> Config:
    if variant not in VARIANTS:
        raise InputError(f"a variant is one of {', '.join(VARIANTS)}, not {variant!r}")
    steps, batch_size = STEPS.get(variant, (120_000, 100))
    config = Config(steps=steps, batch_size=batch_size, turns="simultaneous")
    # Each is a pause, which counts where 500 steps take a few seconds.
    run = config.run
    run.validate_steps = run.figure_steps = run.checkpoint_steps = 2_000
    config.data.name, config.data.binarize = "mnist", True
    config.data.train, config.data.validation = "train[:55000]", "train[55000:]"
    config.metrics = (
        f"iae_jax.metrics.evidence:importance(samples={SAMPLES})",
        "iae_jax.metrics.rates:MEASURES",
        f"iae_jax.metrics.label_agreement:of_first(images={IMAGES})",
    )
    if variant in POSTERIORS:
        config.metrics += (BOTH_SIDES,)
    config.code.size = 40
    config.encoder.kind = POSTERIORS.get(variant, "gaussian")
    config.generator.likelihood = "bernoulli"
    config.reconstruction.kind = "likelihood"
    config.regularization.kind = (
        "analytic_kl" if config.encoder.kind == "gaussian" else "sampled_kl"
    )
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 300
        own = player.optimizer
        own.rate, own.b1, own.b2, own.final = 5e-4, 0.9, 0.999, 0.01
    # A code that costs its full price from the start stays empty, above all where the decoder alone
    # explains much.
    config.regularization.ramp_steps = 10_000
    if variant in DECODERS:
        config.generator.kind, config.code.size = DECODERS[variant], 32
    if variant in (*POSTERIORS, "made"):
        # Both take a convolutional decoder too long.
        config.metrics += (MORE, "iae_jax.metrics.amortization:amortization_gap(images=100)")
    else:
        # z's feature map.
        config.generator.network.kind, config.generator.network.width = "conv", 16
        config.regularization.ramp_steps = steps // 5
        for player in config.players:
            player.optimizer.rate = 1e-3
    if variant == "vlae":
        config.prior.kind, config.regularization.kind = "flow(layers=4)", "sampled_kl"
    return config
