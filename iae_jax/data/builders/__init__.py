"""Data sets that TFDS can read, built without TensorFlow."""

from iae_jax.data.builders.digits import Digits
from iae_jax.data.builders.mnist import Mnist
from iae_jax.data.builders.stock import CelebA64, Cifar10, FashionMnist, SvhnCropped

BUILDERS = {
    builder.name: builder
    for builder in (Digits, Mnist, FashionMnist, SvhnCropped, Cifar10, CelebA64)
}
