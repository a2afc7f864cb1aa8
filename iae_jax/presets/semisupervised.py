"""Classification from few labels.

A variant is METHOD/SET/LABELS: a method below, an image set that TFDS has prepared (svhn_cropped,
or any other), and the number of labels of its training split, equally many of each class, or `all`.
With another number of classes than ten it is CLASSESxLABELS, as emnist/balanced/47x470 or
emnist/balanced/47xall, where the labels are 0 to CLASSES - 1. Which images are labelled depends on
the run's seed; their positions are in its `run.json`. `svhn_standin` is 10,000 images of SVHN's
test split, named INDEX_DIGIT, in a file svhn_standin.zip in the folder you start from, for machines
that do not have SVHN itself.

Methods, all with the same encoder:

supervised    the labelled images alone, with affine changes
full          the same with all labels
improved_gan  the K logits are the discriminator, features are matched (Salimans et al. 2016)
aae           a category and a style code of 10 components, a likelihood of pixels
iae_plain     the implicit autoencoder with a category (marginal KL, conditional entropy) and a
              local code; cross entropy of the labels; labelled pairs beside the others for its
              discriminator; the sleep loss
iae_faithful  also consistency under virtual adversarial changes, which need no knowledge of images
iae_best      instead consistency under affine changes, with an averaged teacher; labelled images
              are changed too
"""

import dataclasses
import re

from iae_jax.data.labels import ALL
from iae_jax.errors import InputError
from iae_jax.presets.colour import SVHN_STANDIN
from iae_jax.runs.config import Config, Data, Network
from iae_jax.sampling import augmentation

METHODS = ("supervised", "full", "improved_gan", "aae", "iae_plain", "iae_faithful", "iae_best")
SETS = {
    "mnist": Data("mnist", train="train[:55000]", validation="train[55000:]"),
    "svhn_standin": SVHN_STANDIN,
    "svhn_cropped": Data("svhn_cropped", train="train[:70000]", validation="train[70000:]"),
}
# The affine changes of house numbers: a digit has neighbours, and the light varies.
STREET = augmentation.Affine(
    rotation=10,
    scale=0.15,
    shear=0.1,
    shift=2,
    edge="nearest",
    brightness=0.2,
    saturation=0.4,
    contrast=0.3,
)
SVHN = ("svhn_standin", "svhn_cropped")
CLASSES = 10
VARIANTS = (
    "supervised/mnist/100",
    "full/mnist/all",
    "improved_gan/mnist/100",
    "aae/mnist/100",
    "iae_plain/mnist/100",
    "iae_faithful/mnist/100",
    "iae_best/mnist/100",
    "iae_best/mnist/20",
    "iae_best/mnist/50",
    "iae_best/mnist/1000",
    "supervised/svhn_standin/1000",
    "iae_best/svhn_standin/1000",
)
SHOWN_VARIANT = "iae_best/mnist/100"


def get_config(variant: str = SHOWN_VARIANT) -> Config:
    method, *parts = variant.split("/")
    if method not in METHODS or len(parts) < 2:
        raise InputError(
            f"a variant is METHOD/SET/LABELS with a method of {', '.join(METHODS)}, not {variant!r}"
        )
    name = "/".join(parts[:-1])
    classes, each = counts(parts[-1])
    if (method == "full") != (each == ALL) or not name:
        raise InputError(
            "a variant names a set, and all labels are for the method full, which has no other "
            f"number: not {variant!r}"
        )
    config = Config(steps=8000, batch_size=64, turns="alternating")
    other = Data(name, train="train[:90%]", validation="train[90%:]")
    config.data = dataclasses.replace(SETS.get(name, other))
    config.data.labels_per_class = each
    config.code.size, config.code.categories = 0, classes
    losses = config.auxiliary
    marginal, entropy, labels = losses.marginal.weight, losses.entropy.weight, losses.labels.weight
    labels.value = 1.0
    for player in config.players:
        player.optimizer.rate, player.optimizer.final = 5e-4, 0.1
    config.regularization.kind = "none"
    if method in ("supervised", "full"):
        config.reconstruction.kind = "none"
        # The same affine changes as `iae_best` has, for a fair floor and ceiling.
        losses.labels.augment = True
        optimizer = config.encoder.optimizer
        optimizer.rate, optimizer.b1, optimizer.final = 1e-3, 0.9, 0.02
    elif method == "improved_gan":
        config.reconstruction.kind, config.turns = "improved_gan", "simultaneous"
        # As in the paper's code, but for the generator, which has no normalization over the batch,
        # and for the labels, which are drawn (data.labels_in_turn).
        config.reconstruction.weight = 0.5
        config.encoder.pixel_noise, config.encoder.unit_noise = 0.3, 0.5
        config.encoder.network = Network("weight_norm", width=500, hidden=250, depth=5)
        config.generator.network = Network("mlp", hidden=500)
        config.generator.noise = 100
        config.steps, config.batch_size, config.ema = 60_000, 100, 0.9999
        for player in config.players:
            player.optimizer.b2, player.optimizer.decay = 0.999, "constant"
        config.encoder.optimizer.rate, config.generator.optimizer.rate = 3e-3, 1e-3
    elif method == "aae":
        config.code.size = 10
        config.reconstruction.kind, config.generator.likelihood = "likelihood", "bernoulli"
        # Pixels have a hundred nats, labels one.
        config.reconstruction.weight = 0.02
        # The discriminator's loss is an expectation over the category, and leaves q(y|x) soft.
        entropy.value = 0.3
        # Every category of every image is decoded: dense layers are fast enough.
        config.generator.network.kind, config.generator.network.hidden = "mlp", 512
        config.regularization.kind = "marginal_code"
    else:
        config.generator.noise = 50
        for player in (config.generator, config.reconstruction):
            # Small networks: most of a step's time goes to the encoder.
            player.network.width, player.network.hidden = 16, 128
        config.reconstruction.r1, config.reconstruction.numerator_weight = 0.1, 0.05
        config.reconstruction.labelled_share = 0.3
        losses.sleep.weight.value, losses.sleep.weight.start_steps = 0.5, 1500
        marginal.value, entropy.value = 0.5, 0.2
    if method in ("iae_faithful", "iae_best"):
        # Labels first name the clusters; then a smaller weight, so that these few images do not
        # bound clusters that are still forming.
        labels.start, labels.start_steps, labels.value = 1.0, 100, 0.3
        # Clusters of equal size become classes sooner; but classes are not quite of equal size.
        marginal.start, marginal.start_steps, marginal.value = 4.0, 1500, 0.4
        entropy.value, losses.consistency.weight.value = 1.0, 3.0
        if name in SVHN:
            # House numbers have unequal classes; and a thousand labels may keep their weight.
            marginal.start, labels.value = 0.4, 1.0
    if name == "mnist" and method in ("iae_plain", "iae_best"):
        # `iae_plain` learns until then; the error of `iae_best` falls from step 13,000 on.
        config.steps = 24_000
    if name in SVHN:
        config.affine = dataclasses.replace(STREET)
    if name == "svhn_standin":
        config.steps = 3000  # of 7,000 images
    if method == "iae_best":
        losses.consistency.teacher = losses.labels.augment = True
    elif method == "iae_faithful":
        # Virtual adversarial training alone (Miyato et al. 2018): smoothness of q(y|x), and no
        # knowledge of which changes keep a digit's class.
        config.affine = augmentation.Affine(0, 0, 0, 0, vat_radius=4.0)
        losses.sleep.weight.value = 1.0
    return config


def counts(labels: str) -> tuple[int, int]:
    """LABELS or CLASSESxLABELS -> (classes, labels of each).

    Raises:
      InputError: it has another form, or LABELS is not a multiple of the classes.
    """
    found = re.fullmatch(r"(?:([1-9][0-9]{0,5})x)?([1-9][0-9]{0,8}|all)", labels)
    classes = int(found[1] or CLASSES) if found else CLASSES
    if not found or (found[2] != "all" and int(found[2]) % classes):
        raise InputError(
            f"LABELS is a multiple of {CLASSES}, or all, or CLASSESxLABELS for another number of "
            f"classes than {CLASSES}, not {labels!r}"
        )
    return classes, ALL if found[2] == "all" else int(found[2]) // classes
