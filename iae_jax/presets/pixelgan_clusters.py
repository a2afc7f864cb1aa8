"""PixelGAN autoencoders of binarized MNIST: the code says what an autoregressive decoder does not.

Variants: k30, 30 categories without labels; k30/imsat, the same with what `mnist_clustering` asks
of categories beside the two terms; vector_20, a vector of 20 components.

The decoder is a PixelCNN that a feature map of the code shifts; what the code says is not charged
for, as the KL of a VAE does, but q(z) is held at p(z) by a discriminator (Makhzani and Frey 2017).
Of a category generator and discriminator read q(y|x) itself, which so becomes certain: p(y) has
corners of the simplex alone.
"""

from iae_jax.errors import InputError
from iae_jax.runs.config import Config

CLUSTERS = ("k30", "k30/imsat")
VARIANTS = (*CLUSTERS, "vector_20")
CATEGORIES, SIZE = 30, 20
IMAGES = 100  # that are reconstructed, a pixel at a time


def get_config(variant: str = "k30") -> Config:
    if variant not in VARIANTS:
        raise InputError(f"a variant is one of {', '.join(VARIANTS)}, not {variant!r}")
    config = Config(steps=7_000, batch_size=128, turns="alternating")
    config.data.name, config.data.binarize = "mnist", True
    config.data.train, config.data.validation = "train[:55000]", "train[55000:]"
    config.metrics = (
        "iae_jax.metrics.rates:DISTORTION",
        f"iae_jax.metrics.label_agreement:of_first(images={IMAGES})",
    )
    config.generator.kind = "pixelcnn(layers=2, width=16, first=7, kernel=3)"
    config.generator.likelihood = "bernoulli"
    config.generator.network.width = 16  # z's feature map
    config.reconstruction.kind = "likelihood"
    # Of the encoder: pixels have a hundred nats, the discriminator a few.
    config.reconstruction.weight = 0.05
    for player in config.players:
        player.optimizer.rate, player.optimizer.final = 5e-4, 0.1
    own = config.generator.optimizer
    own.rate, own.b1, own.b2, own.final = 1e-3, 0.9, 0.999, 0.01
    if variant == "vector_20":
        config.code.size = SIZE
        config.encoder.kind, config.encoder.noise = "implicit", SIZE
        config.regularization.r1 = 0.1
        return config
    config.code.size, config.code.categories, config.code.relaxed = 0, CATEGORIES, True
    # To tell a corner from a code near it takes a steep discriminator.
    config.regularization.r1 = 0.02
    # Any partition into equal parts pleases the discriminator: first the decoder has its say.
    config.regularization.ramp_from, config.regularization.ramp_steps = 0.1, 3_000
    if variant == "k30/imsat":
        config.auxiliary.marginal.weight.value = 2.0
        config.auxiliary.entropy.weight.value = 0.5
        config.auxiliary.consistency.weight.value = 3.0
    return config
