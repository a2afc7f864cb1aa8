"""A decoder that is autoregressive: binary images of 3x3 pixels, each given z and those before."""

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax import ArraySource, Code, Config, Dataset, Generator

PIXELS = 9
BEFORE = np.tril(np.ones((PIXELS, PIXELS), np.float32), -1)  # [i, j]: j comes before i


def generator(config: Config, shape: tuple[int, ...]) -> Generator:
    """p(x|z) = prod_i p(x_i | x_<i, z), the logits linear in both."""

    def init(key: jax.Array) -> dict:
        pixels, code = jax.random.split(key)
        w = jax.random.normal(pixels, (PIXELS, PIXELS))
        return {"w": w, "v": jax.random.normal(code, (config.code.size, PIXELS))}

    def logits(params: dict, z: Code, x: jax.Array) -> jax.Array:
        return z.vector @ params["v"] + x @ (params["w"] * BEFORE).T

    def log_likelihood(params: dict, z: Code, x: jax.Array) -> jax.Array:
        x = x.reshape(-1, PIXELS)
        signs = 2 * x - 1
        return jnp.sum(jax.nn.log_sigmoid(signs * logits(params, z, x)), axis=-1)

    def sample(params: dict, z: Code, noise: jax.Array) -> jax.Array:
        """Pixel by pixel; noise f32[B, 9] of N(0, 1) says where in the inverse CDF."""
        uniform = jax.scipy.stats.norm.cdf(noise)

        def draw(x: jax.Array, i: jax.Array) -> tuple[jax.Array, None]:
            on = uniform[:, i] < jax.nn.sigmoid(logits(params, z, x)[:, i])
            return x.at[:, i].set(on.astype(x.dtype)), None

        x, _ = jax.lax.scan(draw, jnp.zeros_like(noise), jnp.arange(PIXELS))
        return x.reshape(-1, *shape)

    return Generator(init, sample, PIXELS, log_likelihood, factorized=False, slow=True)


def patches(split: str) -> ArraySource:
    """Images with one column on, the same for every split."""
    column = np.random.default_rng(0).integers(0, 3, 200)
    x = np.zeros((200, 3, 3, 1), np.float32)
    x[np.arange(200), :, column] = 1
    return ArraySource(Dataset(x, column), classes=3)


def get_config() -> Config:
    config = Config(steps=20, batch_size=16)
    config.data.name, config.code.size = "masked_decoder:patches", 2
    config.encoder.kind, config.encoder.network.kind = "gaussian", "mlp"
    config.generator.kind, config.generator.noise = "masked_decoder:generator", PIXELS
    config.reconstruction.kind, config.regularization.kind = "likelihood", "analytic_kl"
    return config
