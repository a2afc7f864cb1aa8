"""Objective = reconstruction term x regularization term: the Aggregated-ELBO slide as values.

    reconstruction \\ regularization  none         analytic_kl  joint_code  marginal_code
    likelihood                       autoencoder  VAE          AVB         AAE
    joint_reconstruction             -            -            -           IAE
    joint_model                      ALI/BiGAN
    marginal_data                    GAN
    improved_gan                     the semi-supervised GAN
    none                             a classifier, if a charge reads labels

Each cell differs from -ELBO by: 0 in the likelihood row under analytic_kl and joint_code,
-I(z;x) in the marginal_code column, -H(x|z) in the joint_reconstruction row. Because
H(x|z) + I(z;x) = H_data is a constant, IAE is -ELBO up to a constant, while joint_reconstruction
under {analytic_kl, joint_code} is *not* the ELBO: it charges the information in z twice. All lines
in exact form: `iae_jax.objectives.elbo`.
"""

from collections.abc import Callable
from typing import NamedTuple

from iae_jax.errors import InputError
from iae_jax.objectives import terms
from iae_jax.objectives.auxiliary import improved_gan
from iae_jax.objectives.scoring import KL, NON_SATURATING, Scoring
from iae_jax.objectives.terms import R1, Pairing, Term
from iae_jax.types import DISCRIMINATORS, Augment, Players, Prior, Weight


class Objective(NamedTuple):
    """reconstruction, regularization: terms, each with a discriminator of its own if it needs one.
    charges: further terms for encoder and generator, without a discriminator."""

    reconstruction: Term
    regularization: Term
    charges: tuple[Term, ...] = ()

    @property
    def terms(self) -> tuple[Term, ...]:
        return (self.reconstruction, self.regularization, *self.charges)

    @property
    def needs(self) -> frozenset[str]:
        """Of all its terms."""
        return frozenset(need for term in self.terms for need in term.needs)


class Adversary(NamedTuple):
    """How an adversarial term is played; the arguments of `terms.adversarial`."""

    scoring: Scoring = NON_SATURATING
    r1: R1 | None = None
    numerator_weight: Weight = 1.0
    denominator_weight: Weight = 1.0
    labelled_share: float = 0.0

    def __call__(self, pairing: Pairing) -> Term:
        return terms.adversarial(pairing, *self)


PLAIN = Adversary()

RECONSTRUCTIONS: dict[str, Callable[[Adversary], Term]] = {
    "none": lambda adversary: terms.nothing(),
    "improved_gan": lambda adversary: improved_gan(),
    "likelihood": lambda adversary: terms.likelihood(),
    "joint_reconstruction": lambda adversary: adversary(terms.JOINT_RECONSTRUCTION),
    "joint_model": lambda adversary: adversary(terms.JOINT_MODEL),
    "marginal_data": lambda adversary: adversary(terms.MARGINAL_DATA),
}


def _adaptive_contrast(adversary: Adversary) -> Term:
    sides = (adversary.numerator_weight, adversary.denominator_weight)
    if adversary.scoring.name != KL.name or sides != (1.0, 1.0):
        raise InputError(
            "adaptive_contrast adds a discriminator's KL to one in closed form: set its scoring to "
            "kl and the weights of its sides to 1"
        )
    return terms.adaptive_contrast(adversary.r1)


REGULARIZATIONS: dict[str, Callable[[Adversary], Term]] = {
    "none": lambda adversary: terms.nothing(),
    "analytic_kl": lambda adversary: terms.analytic_kl(),
    "joint_code": lambda adversary: adversary(terms.JOINT_CODE),
    "adaptive_contrast": _adaptive_contrast,
    "marginal_code": lambda adversary: adversary(terms.MARGINAL_CODE),
}


def cell(
    reconstruction: str,
    regularization: str = "none",
    reconstruction_adversary: Adversary = PLAIN,
    regularization_adversary: Adversary = PLAIN,
    regularization_weight: Weight = 1.0,
    charges: tuple[Term, ...] = (),
) -> Objective:
    """A cell of the grid by the names of its row and its column.

    Errors: InputError for a name that is not in the table, or for a column beside a row that is
    a model of its own (ALI and GAN have no second term).
    """
    for kind, name, table in (
        ("reconstruction", reconstruction, RECONSTRUCTIONS),
        ("regularization", regularization, REGULARIZATIONS),
    ):
        if name not in table:
            raise InputError(f"{kind} is one of {', '.join(table)}, not {name!r}")
    alone = ("joint_model", "marginal_data", "improved_gan", "none")
    if reconstruction in alone and regularization != "none":
        raise InputError(
            f"reconstruction {reconstruction} has no second term: set regularization to none"
        )
    return Objective(
        RECONSTRUCTIONS[reconstruction](reconstruction_adversary),
        terms.scaled(
            regularization_weight, REGULARIZATIONS[regularization](regularization_adversary)
        ),
        charges,
    )


def check(
    objective: Objective, networks: Players, prior: Prior, augment: Augment | None = None
) -> None:
    """Refuse a game that cannot be played. Errors: InputError that names the fix."""
    encoder = networks.encoder
    if not objective.needs:
        raise InputError(
            "no term of this objective trains anything: set reconstruction.kind, or "
            "code.label_weight and data.labels_per_class"
        )
    for term in objective.terms:
        if "generator" in term.needs and networks.generator is None:
            raise InputError(f"{term.name} generates: give the game a generator")
    if networks.generator is not None and "generator" not in objective.needs:
        raise InputError("no term of this objective trains a generator: remove it")
    for role, term in zip(DISCRIMINATORS, objective[:2], strict=True):
        discriminator = getattr(networks, role)
        if term.reads and discriminator is None:
            raise InputError(
                f"{term.name} is adversarial: give the game a {role} that reads "
                f"{' and '.join(term.reads)}"
            )
        if not term.reads and discriminator is not None:
            raise InputError(f"{term.name} needs no discriminator: remove the {role}")
        if discriminator is not None and tuple(discriminator.reads) != term.reads:
            raise InputError(
                f"{term.name} shows its discriminator {' and '.join(term.reads)}; the {role} "
                f"reads {' and '.join(discriminator.reads)}: build it for the former"
            )
    for term in objective.terms:
        if "encoder" in term.needs and encoder is None:
            raise InputError(f"{term.name} needs an encoder: give the game one")
        if "factorized encoder" in term.needs and not encoder.factorized:
            kind = "implicit" if encoder.noise else "deterministic"
            raise InputError(
                f"analytic_kl needs the density of q(z|x) and the encoder is {kind}: use a "
                "gaussian encoder, or joint_code or marginal_code for the regularization"
            )
        if "factorized encoder" in term.needs and prior.size and not prior.standard_normal:
            raise InputError(
                "analytic_kl is to N(0, I) and the prior is another: use a gaussian prior, or "
                "joint_code or marginal_code for the regularization"
            )
        if "likelihood" in term.needs and networks.generator.log_likelihood is None:
            raise InputError(
                "a likelihood term needs the density of p(x|z) and the generator is implicit: "
                "give the generator a likelihood, or use joint_reconstruction"
            )
        if "moments" in term.needs and not (prior.standard_normal and not prior.categories):
            raise InputError(
                f"{term.name} contrasts a vector code with N(0, I) and the prior is another: use "
                "a gaussian prior, or joint_code for the regularization"
            )
        if "moments" in term.needs and encoder is not None and not encoder.noise:
            raise InputError(
                f"{term.name} standardizes q(z|x) by its own deviation and the encoder is "
                "deterministic: give the encoder noise"
            )
        if "normal prior" in term.needs and prior.size and not prior.standard_normal:
            raise InputError(
                f"{term.name} of a vector code is to N(0, I) and the prior is another: use a "
                "gaussian prior, or marginal_code alone for the regularization"
            )
        if "category" in term.needs and not prior.categories:
            raise InputError(f"{term.name} needs a categorical code: give the code categories")
        if "augment" in term.needs and augment is None:
            raise InputError(f"{term.name} compares x with a changed x: give the game an augment")
    if "labels" in objective.needs and prior.size and not prior.categories:
        raise InputError("labels are of a category: give the code categories")
    if encoder is not None and "encoder" not in objective.needs:
        raise InputError("no term of this objective trains an encoder: remove it")
    generator = networks.generator
    if generator is not None and generator.log_likelihood is not None and generator.noise:
        raise InputError(
            "a generator with a likelihood is a factorized p(x|z) and reads no local code: set "
            "its noise to 0, or its likelihood to none"
        )
