"""An implicit autoencoder of a product code whose steps several test files compare."""

import functools

import games
import jax

from iae_jax.devices import parallel
from iae_jax.game import step
from iae_jax.objectives import scoring
from iae_jax.objectives.adversarial import R1, Adversary
from iae_jax.objectives.auxiliary import MarginalKL
from iae_jax.objectives.weights import Weight

# An implicit encoder, a generator with a local code, a product code whose marginal has means over
# the global batch, R1 every other step.
ADVERSARIES = (
    Adversary(scoring.NON_SATURATING, (R1(0.8, 2),)),
    Adversary(scoring.KL),
)
IAE = games.build(
    "joint_reconstruction",
    "marginal_code",
    "product",
    ADVERSARIES,
    (MarginalKL(Weight(3.0)),),
    ema_decay=0.15,
)
STEPS, SIZE = 4, 16
X = games.batch(5, STEPS, SIZE)
CPU = jax.devices("cpu")


def fresh(seed=1):
    return initialize(jax.random.key(seed))


initialize = jax.jit(functools.partial(step.init, IAE))
compiled = functools.cache(lambda devices: parallel.Chunk(IAE, CPU[:devices]))
one_step = functools.cache(lambda: parallel.compile_step(IAE, CPU[:1]))


def run(devices, batches=X, state=None):
    return jax.device_get(compiled(devices)(state or fresh(), batches))
