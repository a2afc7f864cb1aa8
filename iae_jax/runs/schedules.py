"""Schedules of a config, as functions of the step: the scale of the local code, the weights of
terms and of R1.

Those of learning rates are in game.optimizers, those of losses in objectives.weights.
"""

import math

import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.runs.config import Generator, Term
from iae_jax.types import Array, Scheduled


def local_scale(config: Generator) -> Scheduled:
    """The scale of the local code as a function of the step."""
    if config.ramp_steps == 0 and config.ramp_start_steps == 0:
        return 1.0
    # A ramp of no length is a switch.
    length = max(config.ramp_steps, 1)

    def scale(step: Array) -> Array:
        return ((step - config.ramp_start_steps) / length).clip(0.0, 1.0)

    return scale


def term_weight(term: Term) -> Scheduled:
    """The weight of a term as a function of the step. A KL at full weight from the first step can
    leave a code with nothing in it (Bowman et al. 2016)."""
    start, length = term.ramp_start_steps, term.ramp_steps
    if start < 0 or length < 0:
        raise InputError(f"ramp_start_steps and ramp_steps are 0 or more, not {start} and {length}")
    if not (math.isfinite(term.ramp_from) and term.ramp_from >= 0):
        raise InputError(f"ramp_from is 0 or a share of the weight, not {term.ramp_from}")
    if not (start or length):
        return term.weight

    def weight(step: Array) -> Array:
        risen = ((step - start) / max(length, 1)).clip(0.0, 1.0)
        return term.weight * (term.ramp_from + (1 - term.ramp_from) * risen)

    return weight


def r1_weight(term: Term, steps: int) -> Scheduled:
    """The weight of R1 as a function of the step. A penalty that holds a discriminator back at the
    start, so that the players can follow, blurs it at the end, when differences are small."""
    first, last = term.r1_fall_from, term.r1_fall_until
    if not 0 < term.r1_final < math.inf:
        raise InputError(f"r1_final is a positive share of r1, not {term.r1_final}")
    if not 0 <= first < last <= 1:
        raise InputError(
            f"r1_fall_from and r1_fall_until are shares of the run in this order, not {first} and "
            f"{last}"
        )
    if term.r1_final == 1.0:
        return term.r1

    def weight(step: Array) -> Array:
        share = step / steps
        if (first, last) != (0.0, 1.0):
            share = jnp.clip((share - first) / (last - first), 0.0, 1.0)
        return term.r1 * jnp.power(term.r1_final, share)

    return weight
