"""The workloads of `benchmark.py`: our side of each, and the sizes that both sides share.

A workload is a game, the shape of its images and a batch size. `ours` runs it as a training does:
many steps in one call, on uint8 images that lie on the device.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from iae_jax import (
    ALTERNATING,
    R1,
    Adversary,
    Code,
    Discriminator,
    Encoder,
    Encoding,
    Game,
    Generator,
    Players,
    TrainState,
    cell,
    check,
    encode,
    generate,
    init,
    networks,
)
from iae_jax.devices.parallel import Chunk, place
from iae_jax.metrics.frechet import Moments, frechet_distance
from iae_jax.networks.classifier import Classifier, classifier
from iae_jax.sampling import priors
from iae_jax.sampling.noise import Noise, example_keys, to_unit
from iae_jax.types import Array, Params

IMAGES = 10_000  # of the set on the device, and of an evaluation
CONV = {"conv_mnist": (28, 28, 1), "conv32": (32, 32, 3), "conv64": (64, 64, 3)}
MLP = ("mlp_vae", "mlp_aae")
# pythae's defaults; the weight is of the adversarial loss.
MLP_SHAPE, MLP_BATCH, MLP_SIZE, MLP_RATE, MLP_WEIGHT = (28, 28, 1), 100, 16, 1e-4, 0.5
CONV_BATCH, CONV_SIZE = 64, 20
RATE, B1, B2, EMA_DECAY = 2e-4, 0.5, 0.99, 0.999
R1_WEIGHTS = (0.5, 0.25)  # of the two discriminators; their values cost nothing
EVALUATION, EVALUATION_BATCH = "evaluation_mnist", 500
STEPS_PER_CALL = {"mlp": 100, "conv": 10}


class Runner(NamedTuple):
    """run: does so many steps (an evaluation is one) and waits for them. flops: counts the
    floating-point operations of a step."""

    run: Callable[[int], Any]
    parameters: int
    flops: Callable[[], float] | None = None


def shape_of(work: str) -> tuple[int, int, int]:
    return MLP_SHAPE if work in (*MLP, EVALUATION) else CONV[work.removesuffix("_r1")]


def images(work: str) -> np.ndarray:
    """uint8[IMAGES, H, W, C]: the time of a step does not depend on what they show."""
    return np.random.default_rng(0).integers(0, 256, (IMAGES, *shape_of(work)), dtype=np.uint8)


def batch_size(work: str) -> int:
    return MLP_BATCH if work in MLP else CONV_BATCH


def game_of(work: str) -> Game:
    """Raises: KeyError for an unknown workload."""
    if work in MLP:
        return mlp(adversarial=work == "mlp_aae")
    return conv(shape_of(work), r1=work.endswith("_r1"))


def conv(shape: tuple[int, int, int], r1: bool) -> Game:
    """The IAE of the README: a deterministic code of 20, alternating turns."""
    layout, size = networks.Layout("conv"), CONV_SIZE
    of_pairs, of_codes = (
        Adversary(penalties=(R1(weight, on=side),) if r1 else ())
        for weight, side in zip(R1_WEIGHTS, ("numerator", "denominator"), strict=True)
    )
    players = Players(
        networks.encoder(layout, shape, "deterministic", size=size),
        networks.generator(layout, shape, size=size),
        networks.discriminator(layout, shape, ("x", "z"), size=size),
        networks.discriminator(layout, shape, ("z",), size=size),
    )
    adam = optax.adam(RATE, b1=B1, b2=B2)
    objective = cell("joint_reconstruction", "marginal_code", of_pairs, of_codes)
    optimizers = Players(adam, adam, adam, adam)
    game = Game(players, priors.gaussian(size), objective, optimizers, ALTERNATING)
    return check(game._replace(ema_decay=EMA_DECAY), shape)


class _PythaeEncoder(nn.Module):
    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        h = nn.relu(nn.Dense(512)(x.reshape(len(x), -1)))
        return nn.Dense(MLP_SIZE)(h), nn.Dense(MLP_SIZE)(h)


class _PythaeDecoder(nn.Module):
    @nn.compact
    def __call__(self, z: Array) -> Array:
        out = nn.sigmoid(nn.Dense(int(np.prod(MLP_SHAPE)))(nn.relu(nn.Dense(512)(z))))
        return out.reshape(-1, *MLP_SHAPE)


class _PythaeDiscriminator(nn.Module):
    @nn.compact
    def __call__(self, z: Array) -> Array:
        return nn.Dense(1)(nn.relu(nn.Dense(256)(z)))


def mlp(adversarial: bool) -> Game:
    """pythae's VAE or AAE with its default networks: other networks are other pure functions."""
    encoder, decoder, of_codes = _PythaeEncoder(), _PythaeDecoder(), _PythaeDiscriminator()
    x, z = jnp.zeros((1, *MLP_SHAPE)), jnp.zeros((1, MLP_SIZE))

    def infer(params: Params, x: Array, noise: Array) -> Encoding:
        out: Any = encoder.apply(params, x)
        mean, log_variance = out
        return Encoding(mean + jnp.exp(0.5 * log_variance) * noise, mean, log_variance)

    def sample(params: Params, z: Code, noise: Array) -> Array:
        out: Any = decoder.apply(params, z.vector)
        return out

    def log_likelihood(params: Params, z: Code, x: Array) -> Array:
        """Of a Gaussian of SD 1, without its constant: pythae's loss."""
        return -0.5 * jnp.sum(jnp.square(sample(params, z, x) - x).reshape(len(x), -1), axis=-1)

    def logit(params: Params, x: Array | None, vector: Array | None) -> Array:
        out: Any = of_codes.apply(params, vector)
        return out

    discriminator = Discriminator(lambda key: of_codes.init(key, z), logit, ("z",))
    players = Players(
        Encoder(lambda key: encoder.init(key, x), infer, MLP_SIZE, factorized=True),
        Generator(lambda key: decoder.init(key, z), sample, 0, log_likelihood),
        None,
        discriminator if adversarial else None,
    )
    regularization = "marginal_code" if adversarial else "analytic_kl"
    weight = MLP_WEIGHT if adversarial else 1.0
    objective = cell("likelihood", regularization, regularization_weight=weight)
    adam = optax.adam(MLP_RATE)
    optimizers = Players(adam, adam, None, adam if adversarial else None)
    # pythae keeps no average of its parameters.
    game = Game(players, priors.gaussian(MLP_SIZE), objective, optimizers, ema_decay=0)
    return check(game, MLP_SHAPE)


def count(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


class Call(NamedTuple):
    """Several steps in one call: chunk(state, **arguments, steps=steps)."""

    chunk: Chunk
    state: TrainState
    arguments: dict[str, Any]
    steps: int


def call_of(game: Game, data: np.ndarray, batch: int, steps: int, devices: int = 1) -> Call:
    """data: uint8[N, H, W, C]."""
    used = jax.local_devices()[:devices]
    state = place(jax.jit(partial(init, game))(jax.random.key(0)), used)
    positions = np.random.default_rng(1).integers(0, len(data), (steps, batch)).astype(np.int32)
    arguments = {"batches": {"x": positions}, "sets": {"x": place(data, used)}}
    return Call(Chunk(game, used), state, arguments, steps)


def ours(work: str) -> Runner:
    """Our side of a workload."""
    if work == EVALUATION:
        return evaluation()
    steps = STEPS_PER_CALL["mlp" if work in MLP else "conv"]
    return steps_of(call_of(game_of(work), images(work), batch_size(work), steps))


def steps_of(call: Call) -> Runner:
    """A call, repeated as often as the number of steps needs."""
    chunk = partial(call.chunk, steps=call.steps)
    shapes = jax.eval_shape(lambda: (call.state, call.arguments))
    parameters, states = count(call.state.params), [call.state]

    def flops() -> float:
        # XLA counts the body of the loop over steps once.
        program = jax.jit(lambda state, arguments: chunk(state, **arguments)).lower(*shapes)
        counted: Any = program.compile().cost_analysis()
        return float(counted["flops"])

    def run(steps: int) -> None:
        for _ in range(-(-steps // call.steps)):
            states[0], metrics = chunk(states[0], **call.arguments)
        jax.block_until_ready(metrics)

    return Runner(run, parameters, flops)


def classifier_and_players() -> tuple[Game, Players, Classifier, Params]:
    """What an evaluation reads: an untrained IAE, and an untrained network of the feature
    classifier."""
    game, of_features = game_of("conv_mnist"), classifier(MLP_SHAPE, 10)
    players = jax.jit(partial(init, game))(jax.random.key(0)).ema
    return game, players, of_features, of_features.init(jax.random.key(1))


def evaluation() -> Runner:
    """Encodes 10,000 images, decodes as many codes of the prior, and computes the Fréchet distance
    of both in the classifier's features."""
    game, players, of_features, params = classifier_and_players()
    data = images(EVALUATION)

    @jax.jit
    def see(players: Players, params: Params, x: Array, key: Array) -> tuple[Array, Array, Array]:
        x = to_unit(x)
        z = encode(game, players, x, key)
        samples = generate(game, players, key, EVALUATION_BATCH)
        assert z.vector is not None
        return z.vector, of_features.apply(params, x)[1], of_features.apply(params, samples)[1]

    def run(times: int) -> float:
        for _ in range(times):
            real, fake = Moments(), Moments()
            for first in range(0, IMAGES, EVALUATION_BATCH):
                batch = data[first : first + EVALUATION_BATCH]
                _, of_real, of_fake = see(players, params, batch, jax.random.key(first))
                real.add(np.asarray(of_real))
                fake.add(np.asarray(of_fake))
        return frechet_distance(real, fake)

    return Runner(run, count((players, params)))


def first_keys(state: TrainState, size: int) -> Array:
    """Keys [size] of the examples in the first turn of the next step."""
    key = jax.random.fold_in(jax.random.fold_in(state.key, state.step + 1), 0)
    return example_keys(key, 0, size)


def prior_codes(game: Game, state: TrainState, size: int) -> np.ndarray:
    """The codes of the prior that the first turn of the next step draws: f32[size, D]."""
    numbers = Noise(first_keys(state, size))("prior", game.prior.draw)
    return np.array(game.prior.sample(None, numbers).vector)
