"""What a changed config does to the learning rates of a run that goes on."""

from iae_jax.errors import InputError
from iae_jax.game.optimizers import Optimizer, rate_of
from iae_jax.objectives.weights import at
from iae_jax.runs.config import Config

PLAYERS = ("encoder", "generator", "reconstruction", "regularization")
SMALLEST = 0.01  # a smaller change, as a share of the rate, is not worth a line


def rate_changes(old: Config, new: Config, step: int) -> str:
    """One line with the rates before and after a change of config at a step; "" if they stay.

    A schedule runs over all of `steps`, so that more of them raise a rate that had fallen.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for player in PLAYERS:
        own = [getattr(config, player).optimizer for config in (old, new)]
        try:
            before, after = (
                _at(optimizer, config.steps, step)
                for optimizer, config in zip(own, (old, new), strict=True)
            )
        except InputError:  # an old config can be one that is refused today
            continue
        if abs(after - before) > SMALLEST * before:
            texts = [
                f"{rate:.3g} ({rate / optimizer.rate:.0%})"
                for rate, optimizer in zip((before, after), own, strict=True)
            ]
            found.setdefault((texts[0], texts[1], f"{before:.3g}"), []).append(player)
    if not found:
        return ""
    parts = [f"of {', '.join(who)} from {a} to {b}" for (a, b, _), who in found.items()]
    (_, _, rate), (player, *_) = next(iter(found.items()))
    return (
        f"the learning rate changes at step {step}: {'; '.join(parts)} of its largest; "
        f"--config.{player}.optimizer.rate={rate} --config.{player}.optimizer.decay=constant, for "
        "example, keep it as it was"
    )


def _at(optimizer: Optimizer, steps: int, step: int) -> float:
    return float(at(rate_of(optimizer, steps), step))
