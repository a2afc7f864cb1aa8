"""The work that `benchmark.py` times: our side of it, and what both sides have to agree on.

A work is a game, the shape of its images and a batch size. `ours` runs it as `iae_jax.runs.train` does:
many steps in one call, on uint8 images that lie on the device.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.mnist_reconstruction import get_config
from iae_jax import (
    ALTERNATING,
    R1,
    SIMULTANEOUS,
    Adversary,
    Game,
    Players,
    TrainState,
    build,
    cell,
    compile_chunk,
    encode,
    generate,
    init,
    networks,
)
from iae_jax.devices.parallel import keep_compiled, place
from iae_jax.metrics.frechet import Moments, frechet_distance
from iae_jax.networks.classifier import Classifier, classifier
from iae_jax.runs.build import build as build_config
from iae_jax.runs.build import open_split
from iae_jax.runs.train import calls
from iae_jax.sampling import draws, priors
from iae_jax.sampling.draws import to_unit
from iae_jax.types import Array, Code, Discriminator, Encoder, Encoding, Generator, Params

IMAGES = 10_000  # of the set on the device, and of an evaluation
CONV = {"conv_mnist": (28, 28, 1), "conv32": (32, 32, 3), "conv64": (64, 64, 3)}
MLP = ("mlp_vae", "mlp_aae")
# pythae's defaults; the weight is of the adversarial loss.
MLP_SHAPE, MLP_BATCH, MLP_SIZE, MLP_RATE, MLP_WEIGHT = (28, 28, 1), 100, 16, 1e-4, 0.5
CONV_BATCH, CONV_SIZE = 64, 20
RATE, B1, B2, DECAY = 2e-4, 0.5, 0.99, 0.999
R1_WEIGHTS = (0.5, 0.25)  # of the two discriminators; their values cost nothing
EVALUATION, EVALUATION_BATCH = "evaluation_mnist", 500
STEPS_PER_CALL = {"mlp": 100, "conv": 10}


class Runner(NamedTuple):
    """run: does so many steps (an evaluation is one) and waits for them. floats: counts the
    floating-point operations of a step."""

    run: Callable[[int], Any]
    parameters: int
    floats: Callable[[], float] | None = None


def shape_of(work: str) -> tuple[int, int, int]:
    return MLP_SHAPE if work in (*MLP, EVALUATION) else CONV[work.removesuffix("_r1")]


def images(work: str) -> np.ndarray:
    """uint8[IMAGES, H, W, C]: no step's time depends on what they show."""
    return np.random.default_rng(0).integers(0, 256, (IMAGES, *shape_of(work)), dtype=np.uint8)


def batch_size(work: str) -> int:
    return MLP_BATCH if work in MLP else CONV_BATCH


def game_of(work: str) -> Game:
    """Errors: KeyError for a work that is not there."""
    if work in MLP:
        return mlp(adversarial=work == "mlp_aae")
    return conv(shape_of(work), r1=work.endswith("_r1"))


def conv(shape: tuple[int, int, int], r1: bool) -> Game:
    """The IAE of the README: deterministic code of 20, alternating turns."""
    layout, size = networks.Layout("conv"), CONV_SIZE
    of_pairs, of_codes = (
        Adversary(r1=R1(weight, on=on) if r1 else None)
        for weight, on in zip(R1_WEIGHTS, ("numerator", "denominator"), strict=True)
    )
    players = Players(
        networks.encoder(layout, shape, "deterministic", size=size),
        networks.generator(layout, shape, size=size),
        networks.discriminator(layout, shape, ("x", "z"), size=size),
        networks.discriminator(layout, shape, ("z",), size=size),
    )
    adam = optax.adam(RATE, b1=B1, b2=B2)
    objective = cell("joint_reconstruction", "marginal_code", of_pairs, of_codes)
    return build(
        players,
        priors.gaussian(size),
        objective,
        Players(adam, adam, adam, adam),
        ALTERNATING,
        decay=DECAY,
    )


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
    of_x, of_z, judge = _PythaeEncoder(), _PythaeDecoder(), _PythaeDiscriminator()
    x, z = jnp.zeros((1, *MLP_SHAPE)), jnp.zeros((1, MLP_SIZE))

    def infer(params: Params, x: Array, noise: Array) -> Encoding:
        out: Any = of_x.apply(params, x)
        mean, log_variance = out
        return Encoding(mean + jnp.exp(0.5 * log_variance) * noise, mean, log_variance)

    def sample(params: Params, z: Code, noise: Array) -> Array:
        out: Any = of_z.apply(params, z.vector)
        return out

    def log_likelihood(params: Params, z: Code, x: Array) -> Array:
        """Of a Gaussian of deviation 1, without its constant: pythae's loss."""
        return -0.5 * jnp.sum(jnp.square(sample(params, z, x) - x).reshape(len(x), -1), axis=-1)

    def tell(params: Params, x: Array | None, vector: Array | None) -> Array:
        out: Any = judge.apply(params, vector)
        return out

    discriminator = Discriminator(lambda key: judge.init(key, z), tell, ("z",))
    players = Players(
        Encoder(lambda key: of_x.init(key, x), infer, MLP_SIZE, factorized=True),
        Generator(lambda key: of_z.init(key, z), sample, 0, log_likelihood),
        None,
        discriminator if adversarial else None,
    )
    regularization = "marginal_code" if adversarial else "analytic_kl"
    weight = MLP_WEIGHT if adversarial else 1.0
    objective = cell("likelihood", regularization, regularization_weight=weight)
    adam = optax.adam(MLP_RATE)
    optimizers = Players(adam, adam, None, adam if adversarial else None)
    # pythae keeps no average of its parameters.
    return build(players, priors.gaussian(MLP_SIZE), objective, optimizers, SIMULTANEOUS, decay=0)


def count(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


class Call(NamedTuple):
    """Many steps in one call: chunk(state, indices, images)."""

    chunk: Any
    state: TrainState
    indices: np.ndarray
    images: Array


def call_of(game: Game, data: np.ndarray, batch: int, steps: int, devices: int = 1) -> Call:
    """data: uint8[N, H, W, C]."""
    used = jax.local_devices()[:devices]
    state = place(jax.jit(partial(init, game))(jax.random.key(0)), used)
    indices = np.random.default_rng(1).integers(0, len(data), (steps, batch))
    chunk = compile_chunk(game, used, resident=True)
    return Call(chunk, state, indices.astype(np.int32), place(data, used))


def ours(work: str) -> Runner:
    """Our side of a work."""
    if work == EVALUATION:
        return evaluation()
    steps = STEPS_PER_CALL["mlp" if work in MLP else "conv"]
    return steps_of(call_of(game_of(work), images(work), batch_size(work), steps))


def steps_of(call: Call) -> Runner:
    """A call as steps."""
    chunk, state, indices, on_device = call
    shapes = jax.eval_shape(lambda: state), indices, on_device
    parameters, states = count(state.params), [state]

    def floats() -> float:
        # XLA counts the body of the loop over steps once.
        counted: float = chunk.lower(*shapes).compile().cost_analysis()["flops"]
        return counted

    def run(steps: int) -> None:
        for _ in range(-(-steps // len(indices))):
            states[0], metrics = chunk(states[0], indices, on_device)
        jax.block_until_ready(metrics)

    return Runner(run, parameters, floats)


def judge_and_players() -> tuple[Game, Players, Classifier, Params]:
    """What an evaluation reads: an untrained IAE and a classifier as the judge is."""
    game, judge = game_of("conv_mnist"), classifier(MLP_SHAPE, 10)
    players = jax.jit(partial(init, game))(jax.random.key(0)).average
    return game, players, judge, judge.init(jax.random.key(1))


def evaluation() -> Runner:
    """Encode 10,000 images, decode as many codes of the prior, and the Fréchet distance of both in
    the judge's features."""
    game, players, judge, params = judge_and_players()
    data = images(EVALUATION)

    @jax.jit
    def see(players: Players, params: Params, x: Array, key: Array) -> tuple[Array, Array, Array]:
        x = to_unit(x)
        z = encode(game, players, x, key)
        samples = generate(game, players, key, EVALUATION_BATCH)
        assert z.vector is not None
        return z.vector, judge.apply(params, x)[1], judge.apply(params, samples)[1]

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


def prior_codes(game: Game, state: TrainState, size: int) -> np.ndarray:
    """The codes of the prior that the first turn of the next step draws: f32[size, D]."""
    key = jax.random.fold_in(jax.random.fold_in(state.key, state.step + 1), 0)
    keys = draws.purpose_keys(draws.example_keys(key, 0, size), draws.PRIOR)
    vector = game.prior.sample(keys).vector
    return np.array(vector)


def pipeline(streamed: bool, rounds: int) -> tuple[float, float]:
    """(seconds a step on a batch that already lies on the device, the same from the prepared set),
    of `rounds` calls in a row each. The set is TFDS's mnist, resident as in a training or, with
    `streamed`, read from disk as a larger set is. Errors: InputError if it is not prepared."""
    config = get_config("deterministic_20")
    config.run.resident_megabytes = 0 if streamed else 1024
    # Shorter calls than a training's: what a call costs beside its steps weighs more here.
    config.run.steps_per_call = 20
    source, devices = open_split(config, "train"), jax.local_devices()[:1]
    game = build_config(config, source.shape)
    resident, work = calls(config, source, devices, 0)
    chunk = compile_chunk(game, devices, resident)
    states = [place(jax.jit(partial(init, game))(jax.random.key(0)), devices)]
    first, arguments = next(work)
    ready = place(arguments, devices)

    def block(fresh: bool, count: int) -> float:
        """Seconds a step of so many calls in a row: a loader that has time to run ahead between
        them would look faster than it is."""
        since, taken = time.perf_counter(), 0
        for _ in range(count):
            steps, given = next(work) if fresh else (first, ready)
            states[0], metrics = chunk(states[0], *given)
            jax.device_get(metrics)
            taken += steps
        return (time.perf_counter() - since) / taken

    block(False, 1), block(True, 1)
    return block(False, rounds), block(True, rounds)


def first_step(folder: Path) -> float:
    """Seconds from here to the end of the first step of the README's MNIST run, with programs kept
    in a folder."""
    keep_compiled(folder)
    since = time.perf_counter()
    config = get_config("deterministic_20")
    game, devices = build_config(config, MLP_SHAPE), jax.local_devices()[:1]
    state = place(jax.jit(partial(init, game))(jax.random.key(0)), devices)
    indices = np.zeros((1, config.batch_size), np.int32)
    data = place(images("conv_mnist"), devices)
    jax.block_until_ready(compile_chunk(game, devices, resident=True)(state, indices, data))
    return time.perf_counter() - since
