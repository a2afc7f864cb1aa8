"""The game: every player's own loss, and every player's own gradient of it."""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax

from iae_jax.objectives.terms import Discriminate
from iae_jax.objectives.weights import at
from iae_jax.sampling.batch_means import BatchMeans
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, uniform
from iae_jax.types import (
    AUTOENCODER,
    DISCRIMINATORS,
    Array,
    Batch,
    Game,
    Metrics,
    Params,
    Players,
    Turn,
)

Turns = tuple[Turn, ...]

SIMULTANEOUS: Turns = (Turn(AUTOENCODER + DISCRIMINATORS),)
ALTERNATING: Turns = (Turn(DISCRIMINATORS), Turn(AUTOENCODER))
# Two moves of the discriminators for each of encoder and generator: better ratios, slower steps.
TWO_TO_ONE: Turns = (Turn(DISCRIMINATORS), *ALTERNATING)
# Those of an adversarial autoencoder with labels (Makhzani et al. 2015, section 5).
PHASES: Turns = (
    Turn(AUTOENCODER, ("reconstruction",)),
    Turn(DISCRIMINATORS),
    Turn(("encoder",), ("regularization",)),
    Turn(("encoder",), ("label_cross_entropy",)),
)
TURNS = {
    "simultaneous": SIMULTANEOUS,
    "alternating": ALTERNATING,
    "two_to_one": TWO_TO_ONE,
    "four_to_one": (Turn(DISCRIMINATORS),) * 4 + (Turn(AUTOENCODER),),
    "phases": PHASES,
}

LossFn = Callable[[Players], tuple[Players, Metrics]]


def discriminate(draws: Draws, role: str) -> Discriminate:
    """A discriminator as a function of what it reads, images as the game's diffaugment shows them.

    Raises:
      InputError: the game has no such discriminator.
    """
    network, change = draws.discriminator(role), draws.diffaugment
    # Read here, before any penalty takes gradients. What stands for one example is changed alike
    # on both sides: x_hat has to match x.
    numbers = None
    if change is not None and "x" in network.reads:
        numbers = draws.noise("diffaugment", uniform(change.noise))

    def apply(x: Array | None, vector: Array | None, **head: int) -> Array:
        if x is not None and change is not None and numbers is not None:
            x = change.apply(x, numbers, jnp.asarray(draws.step))
        return network.apply(getattr(draws.params, role), x, vector, **head)

    return apply


def losses(
    game: Game,
    params: Players,
    noise: Noise,
    batch: Batch,
    step: Array | int,
    ema: Players | None = None,
    means: BatchMeans | None = None,
    turn: Turn = SIMULTANEOUS[0],
) -> tuple[Players, Metrics]:
    """Every player's loss, a mean over the examples, and metrics name -> f32[B].

    batch: "x" f32[B, ...] and what else the losses read. ema: averaged parameters.
    means: where the batch is a part of one. turn: whose losses are computed; a discriminator whose
    term is not among them has none. Encoder and generator share one loss. Raises: InputError for
    what the game or the batch lacks.
    """
    scale = at(game.local_scale, step)
    draws = Draws(game, params, noise, batch, step, scale, ema, means, game.denoising)
    examples = draws.x.shape[:1]
    metrics: Metrics = {}
    total = jnp.zeros(examples)
    own: list[Array | None] = []
    for part, role, term in zip(
        ("reconstruction", "regularization"), DISCRIMINATORS, game.objective[:2], strict=True
    ):
        if not turn.has(part):
            own.append(None)
            continue
        output = term.loss(draws, discriminate(draws, role) if term.reads else None)
        chex.assert_shape(output.autoencoder, examples)
        total += output.autoencoder
        own.append(jnp.mean(output.discriminator) if term.reads else None)
        metrics[part] = output.autoencoder
        metrics |= {f"{part}_{name}": value for name, value in output.metrics.items()}
    for auxiliary in game.objective.auxiliary:
        if not turn.has(auxiliary.name):
            continue
        weight = at(auxiliary.weight.scheduled, step)
        weighted = weight * jnp.broadcast_to(auxiliary.loss(draws), examples)
        total += weighted
        metrics[auxiliary.name] = weighted
    loss = jnp.mean(total)
    return Players(game.networks.encoder and loss, game.networks.generator and loss, *own), metrics


def own_gradients(
    loss_fn: LossFn, params: Players, movers: tuple[str, ...]
) -> tuple[Players, Metrics]:
    """dL_i / dtheta_i for each mover (the diagonal of the game's Jacobian); None for the others.

    Two backward passes: one for encoder and generator, whose loss is the same, and one for both
    discriminators, whose losses do not read each other's parameters, so that the gradient of the
    sum is each one's own. XLA shares the forward pass between them.
    """
    found: dict[str, Params] = {}
    metrics: Metrics = {}
    for group in (AUTOENCODER, DISCRIMINATORS):
        moving = [m for m in group if m in movers and getattr(params, m) is not None]
        if not moving:
            continue
        shared = group == AUTOENCODER

        def total(thetas: dict[str, Params], shared: bool = shared) -> tuple[Array, Metrics]:
            values, metrics = loss_fn(params._replace(**thetas))
            own = [getattr(values, name) for name in thetas]
            return (own[0] if shared else sum(own)), metrics

        gradients, metrics = jax.grad(total, has_aux=True)({m: getattr(params, m) for m in moving})
        found |= gradients
    return Players(**found), metrics


def move(
    game: Game, params: Players, opt_state: Players, gradients: Players, turn: int = 0
) -> tuple[Players, Players]:
    """One optimizer step for each player that has a gradient; the others stay as they are. turn:
    its number in the step."""
    for name, gradient in gradients._asdict().items():
        if gradient is None:
            continue
        theta = getattr(params, name)
        chex.assert_trees_all_equal_shapes(gradient, theta)
        optimizer: Any = optax.with_extra_args_support(getattr(game.optimizers, name))
        updates, state = optimizer.update(gradient, getattr(opt_state, name), theta, turn=turn)
        params = params._replace(**{name: optax.apply_updates(theta, updates)})
        opt_state = opt_state._replace(**{name: state})
    return params, opt_state
