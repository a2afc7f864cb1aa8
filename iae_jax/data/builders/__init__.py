"""Data sets that TFDS can read, built without TensorFlow."""

from iae_jax.data.builders.celeb_a_64 import CelebA64
from iae_jax.data.builders.cifar10 import Cifar10
from iae_jax.data.builders.digits import Digits
from iae_jax.data.builders.fashion_mnist import FashionMnist
from iae_jax.data.builders.mnist import Mnist
from iae_jax.data.builders.svhn_cropped import SvhnCropped

BUILDERS = {
    builder.name: builder
    for builder in (Digits, Mnist, FashionMnist, SvhnCropped, Cifar10, CelebA64)
}
