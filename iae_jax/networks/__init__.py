"""Networks as pure functions: Flax Linen inside, `init` and `apply` outside.

Each builder takes shapes and returns an Encoder, a Generator or a Discriminator. A `Trunk` reads x
and a `Body` writes x; `mlp`, `conv` and `residual` have one of each, so a new kind of data is a new
file with a Trunk and a Body.
"""

from iae_jax.networks.autoregressive import made, pixelcnn
from iae_jax.networks.discriminators import discriminator, with_heads, with_quadratic
from iae_jax.networks.encoders import Perturbation, encoder
from iae_jax.networks.flow_posterior import flow_posterior
from iae_jax.networks.generators import Likelihood, generator
from iae_jax.networks.hamiltonian import hamiltonian
from iae_jax.networks.langevin import langevin
from iae_jax.networks.layouts import Layout

__all__ = [
    "Layout",
    "Likelihood",
    "Perturbation",
    "discriminator",
    "encoder",
    "flow_posterior",
    "generator",
    "hamiltonian",
    "langevin",
    "made",
    "pixelcnn",
    "with_heads",
    "with_quadratic",
]
