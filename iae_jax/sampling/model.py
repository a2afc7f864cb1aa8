"""A trained model as functions: encode, decode, reconstruct, generate.

All are pure and can be jitted with the game closed over: `jax.jit(partial(encode, game))`.
`params` is `state.ema` (or `state.params`); the key is consumed; `local_scale` is that of the
local code, 1 once a ramp is over.
"""

from iae_jax.errors import InputError
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, to_unit
from iae_jax.types import Array, Code, Game, Players


def encode(game: Game, params: Players, x: Array, key: Array) -> Code:
    """z ~ q(z|x) for x f32[B, ...] or uint8. Raises: InputError if the game has no encoder."""
    if game.networks.encoder is None:
        raise InputError("this game has no encoder: only generate and decode can be used")
    keys = example_keys(key, 0, x.shape[0])
    return Draws(game, params, Noise(keys), {"x": to_unit(x)}).z


def decode(
    game: Game, params: Players, z: Code, key: Array, local_scale: Array | float = 1.0
) -> Array:
    """x ~ p(x|z) (its mean, for a factorized likelihood): f32[B, ...]."""
    some = z.category if z.vector is None else z.vector
    assert some is not None
    noise = Noise(example_keys(key, 0, some.shape[0]))
    return Draws(game, params, noise, {}, local_scale=local_scale).decode(z, "local")


def reconstruct(
    game: Game, params: Players, x: Array, key: Array, local_scale: Array | float = 1.0
) -> Array:
    """x_hat ~ p(x|z), z ~ q(z|x): f32[B, ...]. Another key, another local code."""
    return decode(game, params, encode(game, params, x, key), key, local_scale)


def generate(
    game: Game, params: Players, key: Array, count: int, local_scale: Array | float = 1.0
) -> Array:
    """x ~ p(x|z), z ~ p(z): f32[count, ...]."""
    noise = Noise(example_keys(key, 0, count))
    draws = Draws(game, params, noise, {}, local_scale=local_scale)
    return draws.decode(draws.z_prior, "local")
