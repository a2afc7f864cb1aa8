"""Checks that both sides of a workload of `benchmark.py` compute the same."""

from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor

from experiments import peers, works
from iae_jax import Game, TrainState, compile_step, init
from iae_jax.errors import InputError
from iae_jax.game.game import losses
from iae_jax.sampling.noise import Noise, normal

TOLERANCE = 1e-4  # of losses, relative
# Of losses after a step: Adam's first steps have the length of the rate wherever a gradient is not
# exactly 0, even if it is only rounding.
MOVED = 1e-3


def with_noise(*arrays: np.ndarray) -> AbstractContextManager[Any]:
    """Replaces pythae's random numbers by these arrays, in the order in which it draws them."""
    queue = [torch.from_numpy(np.array(array)) for array in arrays]
    return mock.patch("torch.randn_like", lambda like, **_: queue.pop(0).to(like.device))


def check(work: str) -> str:
    """Compares both sides of a workload.

    Returns:
      what was compared.

    Raises:
      InputError: the sides differ in the number of parameters or in a loss.
    """
    if (jax.default_backend() == "cpu") != (peers.DEVICE == "cpu"):
        raise InputError(
            f"JAX runs on {jax.default_backend()} and PyTorch on {peers.DEVICE}: install PyTorch's "
            "build for the same device"
        )
    if work == works.EVALUATION:
        return _check_evaluation()
    game, size = works.game_of(work), works.batch_size(work)
    state = jax.jit(lambda key: init(game, key))(jax.random.key(3))
    x = np.random.default_rng(2).random((size, *works.shape_of(work)), np.float32)
    compared = _check_mlp if work in works.MLP else _check_twin
    return compared(work, game, state, x)


class Losses(NamedTuple):
    """Our losses at the start, of the encoder and summed over the discriminators. regularization:
    without the part that neither encoder nor generator can move."""

    encoder: float
    discriminators: float
    reconstruction: float
    regularization: float


def _losses(work: str, game: Game, state: TrainState, x: np.ndarray) -> Losses:
    keys, batch = works.first_keys(state, len(x)), {"x": jnp.asarray(x)}
    own, metrics = jax.jit(lambda params: losses(game, params, Noise(keys), batch, state.step))(
        state.params
    )
    regularization = float(metrics["regularization"].mean())
    if "regularization_denominator_logit" in metrics:
        # Our loss includes the codes of the prior, which neither encoder nor generator can move.
        fixed = jax.nn.softplus(-metrics["regularization_denominator_logit"]).mean()
        regularization -= (works.MLP_WEIGHT if work in works.MLP else 1.0) * float(fixed)
    encoder, _, *discriminators = (0.0 if one is None else float(one) for one in own)
    reconstruction = float(metrics["reconstruction"].mean())
    return Losses(encoder, sum(discriminators), reconstruction, regularization)


def _check_mlp(work: str, game: Game, state: TrainState, x: np.ndarray) -> str:
    """Against pythae's model."""
    ours = _losses(work, game, state, x)
    model = peers.pythae_model(work, state.params)
    noise = np.array(Noise(works.first_keys(state, len(x)))("encoder", normal(works.MLP_SIZE)))
    with with_noise(noise, works.prior_codes(game, state, len(x))):
        out = model({"data": channels_first(x).contiguous().to(peers.DEVICE)})
    compare(work, "parameters", works.count(state.params), peers.parameters(model))
    compare(work, "reconstruction", ours.reconstruction, out.recon_loss.item())
    if work == "mlp_vae":
        compare(work, "loss", ours.encoder, out.loss.item())
        return "parameters, reconstruction, loss"
    compare(work, "discriminator's loss", ours.discriminators, out.discriminator_loss.item())
    total = ours.reconstruction + ours.regularization
    compare(work, "encoder's loss", total, out.autoencoder_loss.item())
    return "parameters, reconstruction, losses"


def _check_twin(work: str, game: Game, state: TrainState, x: np.ndarray) -> str:
    """Against the IAE's twin, in three steps."""
    ours = _losses(work, game, state, x)
    player = peers.twin_of(work, state.params, compiled=False)
    compare(work, "parameters", works.count(state.params), player.parameters)
    step, theirs_x = compile_step(game), channels_first(x).to(peers.DEVICE)
    with torch.no_grad():
        theirs = player.autoencoder_loss(theirs_x, *player.reconstruct(theirs_x))
    compare(work, "reconstruction", ours.reconstruction, theirs[0].item())
    compare(work, "regularization", ours.regularization, theirs[1].item())
    for number in range(3):
        codes = torch.from_numpy(works.prior_codes(game, state, len(x))).to(peers.DEVICE)
        found = player.step(theirs_x, codes).tolist()
        if number == 0:
            compare(work, "discriminators' losses", ours.discriminators, found[0])
        state, metrics = step(state, jnp.asarray(x))
        # After moves of both sides' players: in the first step those of the discriminators.
        moved = float(metrics["reconstruction"])
        compare(work, f"reconstruction at step {number}", moved, found[1], MOVED)
    return "parameters, losses, reconstruction at 3 steps"


def channels_first(x: np.ndarray) -> Tensor:
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def _check_evaluation() -> str:
    ours, theirs = works.evaluation(), peers.evaluation()
    compare(works.EVALUATION, "parameters", ours.parameters, theirs.parameters)
    # 10,000 other samples of the prior: their distance is not the same to 1e-4.
    compare(works.EVALUATION, "Fréchet distance", ours.run(1), theirs.run(1), 0.01)
    return "parameters, Fréchet distance (to 1 %: the samples differ)"


def compare(work: str, what: str, ours: float, theirs: float, tolerance: float = TOLERANCE) -> None:
    if abs(ours - theirs) > tolerance * max(abs(ours), abs(theirs), 1e-12):
        raise InputError(f"{work}: {what} is {ours:.7g} here and {theirs:.7g} there: no comparison")
