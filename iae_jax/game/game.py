"""The game: every player's own loss, and every player's own gradient of it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from iae_jax.errors import InputError
from iae_jax.objectives.grid import Objective, check
from iae_jax.objectives.terms import Discriminate, at
from iae_jax.sampling.augmentation import blurred
from iae_jax.sampling.draws import draw, draw_noise
from iae_jax.types import (
    DISCRIMINATORS,
    PATH,
    Array,
    Augment,
    Game,
    Labelled,
    Metrics,
    Noise,
    Params,
    Players,
    Prior,
    Weight,
    Whole,
)

SIMULTANEOUS = (PATH + DISCRIMINATORS,)
ALTERNATING = (DISCRIMINATORS, PATH)
# Two moves of the discriminators for each of encoder and generator: better ratios, slower steps.
TWO_TO_ONE = (DISCRIMINATORS, DISCRIMINATORS, PATH)
TURNS = {"simultaneous": SIMULTANEOUS, "alternating": ALTERNATING, "two_to_one": TWO_TO_ONE}

Turns = tuple[tuple[str, ...], ...]
LossFn = Callable[[Players], tuple[Players, Metrics]]


def by_step(schedule: optax.Schedule, turns: Turns, player: str) -> optax.Schedule:
    """A schedule of the game's steps, as the player's optimizer has to read it: optax counts the
    player's moves, of which a step can have several."""
    moves = sum(player in movers for movers in turns)
    return lambda count: schedule(count // max(1, moves))


def build(
    networks: Players,
    prior: Prior,
    objective: Objective,
    optimizers: Players,
    turns: Turns = SIMULTANEOUS,
    noise_scale: Weight = 1.0,
    decay: float = 0.999,
    augment: Augment | None = None,
    diffaugment: Augment | None = None,
    blur: Weight | None = None,
) -> Game:
    """A game that can be played. Rates that change go through `by_step`. Errors: InputError that
    names the fix; see `check`."""
    check(objective, networks, prior, augment)
    for name in Players._fields:
        if getattr(networks, name) is not None and getattr(optimizers, name) is None:
            raise InputError(f"the {name} has no optimizer: give it one")
    return Game(
        networks,
        prior,
        objective,
        optimizers,
        turns,
        noise_scale,
        decay,
        augment,
        diffaugment,
        blur,
    )


def noise_of(game: Game, keys: Array) -> Noise:
    """All that a turn draws. keys: [B], one an example, consumed."""
    needs = game.objective.needs
    numbers = game.augment.noise if "augment" in needs and game.augment else 0
    shown = game.diffaugment.noise if game.diffaugment else 0
    return draw_noise(game.networks, game.prior, keys, needs, numbers, shown, training=True)


def losses(
    game: Game,
    params: Players,
    noise: Noise,
    step: Array,
    x: Array,
    axis_name: str | None = None,
    labelled: Labelled | None = None,
    teacher: Params = None,
    whole: Whole | None = None,
) -> tuple[Players, Metrics]:
    """Every player's loss, a mean over the examples, and metrics name -> f32[B].

    noise: see `noise_of`. x: f32[B, ...]. labelled: a labelled image for each example, for an
    objective that needs labels. teacher: the averaged encoder's parameters, for one that needs
    them. whole: see `whole_of`, where x is a piece of the batch. Encoder and generator share one
    loss.
    """
    scale = at(game.noise_scale, step)
    draws = draw(
        game.networks, params, noise, x, scale, axis_name, game.augment, labelled, teacher, whole
    )

    def discriminate(role: str) -> Discriminate | None:
        network, theta = getattr(game.networks, role), getattr(params, role)

        def apply(x: Array | None, vector: Array | None) -> Array:
            # What stands for one example is changed alike on both sides: x_hat has to match x.
            if x is not None and game.diffaugment is not None and noise.shown is not None:
                x = game.diffaugment.apply(x, noise.shown)
            if x is not None and game.blur is not None:
                x = blurred(x, at(game.blur, step))
            logits: Array = network.apply(theta, x, vector)
            return logits

        return network and apply

    metrics: Metrics = {}
    path = jnp.zeros(x.shape[:1])
    own = []
    for part, role, term in zip(
        ("reconstruction", "regularization"), DISCRIMINATORS, game.objective[:2], strict=True
    ):
        output = term.loss(discriminate(role), draws, step)
        path += output.path
        own.append(jnp.mean(output.discriminator) if getattr(game.networks, role) else None)
        metrics[part] = output.path
        metrics |= {f"{part}_{name}": value for name, value in output.metrics.items()}
    for term in game.objective.charges:
        output = term.loss(None, draws, step)
        path += output.path
        metrics[term.name] = output.path
    loss = jnp.mean(path)
    return Players(game.networks.encoder and loss, loss, *own), metrics


def whole_of(
    game: Game, params: Players, noise: Noise, step: Array, x: Array, axis_name: str | None = None
) -> Whole:
    """What terms read of all examples at once; of a batch in pieces it is the mean over them."""
    scale = at(game.noise_scale, step)
    draws = draw(game.networks, params, noise, x, scale, axis_name, game.augment)
    return Whole(draws.aggregated, draws.matched)


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
    for group in (PATH, DISCRIMINATORS):
        moving = [m for m in group if m in movers and getattr(params, m) is not None]
        if not moving:
            continue
        shared = group == PATH

        def total(thetas: dict[str, Params], shared: bool = shared) -> tuple[Array, Metrics]:
            values, metrics = loss_fn(params._replace(**thetas))
            own = [getattr(values, name) for name in thetas]
            return (own[0] if shared else sum(own)), metrics

        gradients, metrics = jax.grad(total, has_aux=True)({m: getattr(params, m) for m in moving})
        found |= gradients
    return Players(**found), metrics


def move(
    game: Game, params: Players, opt_state: Players, gradients: Players
) -> tuple[Players, Players]:
    """One optimizer step for each player that has a gradient; the others stay as they are."""
    for name, gradient in gradients._asdict().items():
        if gradient is None:
            continue
        theta = getattr(params, name)
        updates, state = getattr(game.optimizers, name).update(
            gradient, getattr(opt_state, name), theta
        )
        params = params._replace(**{name: optax.apply_updates(theta, updates)})
        opt_state = opt_state._replace(**{name: state})
    return params, opt_state
