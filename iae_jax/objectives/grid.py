"""The grid: objective = reconstruction term x regularization term, the Aggregated-ELBO slide as
values.

    reconstruction           none         analytic_kl  joint_code  marginal_code  marginal_data
    likelihood               autoencoder  VAE          AVB         AAE
    joint_reconstruction     -            -            -           IAE
    flipped_likelihood                                                            InfoGAN
    flipped_reconstruction                                                        FIAE
    joint_model              ALI/BiGAN
    marginal_data            GAN
    improved_gan             the semi-supervised GAN
    none                     a classifier, with an auxiliary loss of labels

The row cycle_reconstruction under the column cycle_marginals is IAE and FIAE with the same
encoder and generator, four discriminators in two players: CycleIAE, if p(z) is another data set.

A column joint_model is ALI's term beside a reconstruction: under joint_reconstruction, -ELBO with
KL(q(x|z) || p(x|z)) counted twice, since KL(q(x,z) || p(x,z)) is the sum of both terms of IAE.
`sampled_kl` is analytic_kl for any posterior and prior with a density; `adaptive_contrast` is
joint_code with AVB's stabilizer.

The flipped rows have the model's samples in the place of the data: FIAE, the flipped IAE, is
KL(p(x,z) || p(x) q(z|x)) + KL(p(x) || p_data(x)) = KL(p(x,z) || q(x,z)), ALI's divergence the other
way, where IAE is that of ALI (derived here; the paper's own text was not to be had). Its second
term is marginal_data with scoring reverse_kl, for a divergence in nats.

Each cell differs from -ELBO by: 0 in the likelihood row under analytic_kl and joint_code,
-I(z;x) in the marginal_code column, -H(x|z) in the joint_reconstruction row. Because
H(x|z) + I(z;x) = H_data is a constant, IAE is -ELBO up to a constant, while joint_reconstruction
under {analytic_kl, joint_code} is *not* the ELBO: it counts the information in z twice. All lines
in exact form: `iae_jax.objectives.elbo`.
"""

from collections.abc import Callable
from typing import NamedTuple

from iae_jax.errors import InputError
from iae_jax.objectives import adversarial, terms
from iae_jax.objectives.adaptive_contrast import adaptive_contrast
from iae_jax.objectives.adversarial import Adversary
from iae_jax.objectives.auxiliary import AuxiliaryLoss
from iae_jax.objectives.improved_gan import improved_gan
from iae_jax.objectives.scoring import KL
from iae_jax.objectives.terms import Term
from iae_jax.types import Scheduled


class Objective(NamedTuple):
    """reconstruction, regularization: terms, each with a discriminator of its own if it needs one.
    auxiliary: further losses of encoder and generator, without a discriminator."""

    reconstruction: Term
    regularization: Term
    auxiliary: tuple[AuxiliaryLoss, ...] = ()


PLAIN = Adversary()

RECONSTRUCTIONS: dict[str, Callable[[Adversary], Term]] = {
    "none": lambda adversary: terms.nothing(),
    "improved_gan": lambda adversary: improved_gan(),
    "likelihood": lambda adversary: terms.likelihood(),
    "joint_reconstruction": lambda adversary: adversary(adversarial.JOINT_RECONSTRUCTION),
    "flipped_likelihood": lambda adversary: terms.flipped_likelihood(),
    "flipped_reconstruction": lambda adversary: adversary(adversarial.FLIPPED_RECONSTRUCTION),
    "joint_model": lambda adversary: adversary(adversarial.JOINT_MODEL),
    "marginal_data": lambda adversary: adversary(adversarial.MARGINAL_DATA),
    "cycle_reconstruction": lambda adversary: adversarial.several(
        adversary, adversarial.JOINT_RECONSTRUCTION, adversarial.FLIPPED_RECONSTRUCTION
    ),
}
ALONE = ("joint_model", "marginal_data", "improved_gan")  # models without a second term


def _adaptive_contrast(adversary: Adversary) -> Term:
    sides = (adversary.numerator_weight, adversary.denominator_weight)
    if adversary.scoring.name != KL.name or sides != (1.0, 1.0):
        raise InputError(
            "adaptive_contrast adds a discriminator's KL to one in closed form: set its scoring to "
            "kl and the weights of its sides to 1"
        )
    return adaptive_contrast(adversary.penalties)


REGULARIZATIONS: dict[str, Callable[[Adversary], Term]] = {
    "none": lambda adversary: terms.nothing(),
    "analytic_kl": lambda adversary: terms.analytic_kl(),
    "sampled_kl": lambda adversary: terms.sampled_kl(),
    "joint_code": lambda adversary: adversary(adversarial.JOINT_CODE),
    "adaptive_contrast": _adaptive_contrast,
    "marginal_code": lambda adversary: adversary(adversarial.MARGINAL_CODE),
    "marginal_data": lambda adversary: adversary(adversarial.MARGINAL_DATA),
    "joint_model": lambda adversary: adversary(adversarial.JOINT_MODEL),
    "cycle_marginals": lambda adversary: adversarial.several(
        adversary, adversarial.MARGINAL_CODE, adversarial.MARGINAL_DATA
    ),
}


def cell(
    reconstruction: str,
    regularization: str = "none",
    reconstruction_adversary: Adversary = PLAIN,
    regularization_adversary: Adversary = PLAIN,
    regularization_weight: Scheduled = 1.0,
    auxiliary: tuple[AuxiliaryLoss, ...] = (),
) -> Objective:
    """A cell of the grid by the names of its row and its column.

    Raises:
      InputError: a name that is not in the table, or a column beside a row that is a model of its
        own (ALI and GAN have no second term).
    """
    for kind, name, table in (
        ("reconstruction", reconstruction, RECONSTRUCTIONS),
        ("regularization", regularization, REGULARIZATIONS),
    ):
        if name not in table:
            raise InputError(f"{kind} is one of {', '.join(table)}, not {name!r}")
    if reconstruction in ALONE and regularization != "none":
        raise InputError(
            f"reconstruction {reconstruction} has no second term: set regularization to none"
        )
    return Objective(
        RECONSTRUCTIONS[reconstruction](reconstruction_adversary),
        terms.scaled(
            regularization_weight, REGULARIZATIONS[regularization](regularization_adversary)
        ),
        auxiliary,
    )
