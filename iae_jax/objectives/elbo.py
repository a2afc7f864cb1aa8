"""The Aggregated-ELBO slide in exact form, for x and z with finitely many values.

Every line is E log p(x) >= -(reconstruction + regularization) - rest, and all lines are the same
number: they only cut the bound at different places. In float64 NumPy, since this is the reference
that the sampled terms are read against.
"""

from typing import NamedTuple

import numpy as np

Table = np.ndarray


class Line(NamedTuple):
    """A line of the slide, in nats. `rest` is what the line's model does not train: I(z;x) for
    AAE (which drops it), H_data for IAE and ALI (a constant)."""

    reconstruction: float
    regularization: float
    rest: float

    @property
    def bound(self) -> float:
        return -(self.reconstruction + self.regularization + self.rest)


def kl(a: Table, b: Table) -> float:
    """KL(a || b) in nats of two tables of the same shape, each summing to 1; 0 log 0 = 0.

    infinity where b is 0 and a is not.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(a > 0, np.log(a) - np.log(b), 0.0)
    return float(np.sum(np.where(a > 0, a * ratio, 0.0)))


def entropy(p: Table) -> float:
    """H(p) in nats."""
    return -kl(p, np.ones_like(p))


def lines(p_data: Table, q_z_given_x: Table, p_z: Table, p_x_given_z: Table) -> dict[str, Line]:
    """All lines of the slide.

    p_data: f64[X]. q_z_given_x: f64[X, Z], rows sum to 1. p_z: f64[Z]. p_x_given_z: f64[Z, X],
    rows sum to 1. Source: slide "Aggregated ELBO".
    """
    q_joint = p_data[:, None] * q_z_given_x  # q(x, z), joint data
    q_z = q_joint.sum(axis=0)  # aggregated posterior
    p_joint = (p_z[:, None] * p_x_given_z).T  # p(x, z), joint model
    r_joint = (q_z[:, None] * p_x_given_z).T  # r(x, z), joint reconstruction
    independent = p_data[:, None] * p_z  # p_data(x) p(z)
    h_data = entropy(p_data)
    information = kl(q_joint, p_data[:, None] * q_z)  # I(z;x) under q
    with np.errstate(divide="ignore"):
        log_likelihood = np.where(q_joint > 0, np.log(p_x_given_z.T), 0.0)
    negative_log_likelihood = -float(np.sum(q_joint * log_likelihood))
    kl_given_x = sum(p * kl(q, p_z) for p, q in zip(p_data, q_z_given_x, strict=True))
    return {
        "vae": Line(negative_log_likelihood, kl_given_x, 0.0),
        "avb": Line(negative_log_likelihood, kl(q_joint, independent), 0.0),
        "aae": Line(negative_log_likelihood, kl(q_z, p_z), information),
        "iae": Line(kl(q_joint, r_joint), kl(q_z, p_z), h_data),
        "ali": Line(kl(q_joint, p_joint), 0.0, h_data),
    }
