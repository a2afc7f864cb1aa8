"""Posteriors that begin with a Gaussian: densities by change of variables, leapfrogs that go back,
bounds that are not biased, Langevin steps by hand. In float64."""

from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from far_params import moved, normal

from iae_jax import compile_step, init, networks
from iae_jax.errors import InputError
from iae_jax.networks.hamiltonian import leapfrog
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import Code, Encoder, Encoding

SIZE, FEATURES, B = 2, 5, 4
SHAPE = (3,)
LAYOUT = networks.Layout("mlp", hidden=FEATURES, depth=1)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.heavy
@pytest.mark.parametrize("layer", ["planar", "autoregressive"])
def test_a_flow_has_the_density_of_its_sample(layer):
    """Oracle: z is a function of N(0, I), whose density divided by the Jacobian's determinant is
    that of z."""
    base = networks.encoder(LAYOUT, SHAPE, "gaussian", SIZE)
    encoder = networks.flow_posterior(FEATURES, base, SIZE, layer, layers=2, width=6)
    params, x, noise = moved(encoder), normal(1, B, *SHAPE), normal(2, B, SIZE)

    @jax.jit
    def found(x, noise):
        def one(x, noise):
            return encoder.apply(params, x[None], noise[None]).vector[0]

        return encoder.apply(params, x, noise), jax.vmap(jax.jacfwd(one, 1))(x, noise)

    encoding, jacobian = found(x, noise)
    expected = -0.5 * np.sum(np.square(noise) + np.log(2 * np.pi), axis=-1)
    expected -= np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(encoding.log_density, expected, rtol=1e-9)
    assert encoding.mean is None and encoding.log_variance is None
    # It is no Gaussian, and differs with x.
    again, _ = found(x[::-1], noise)
    assert np.abs(again.vector - encoding.vector).max() > 0.1


@pytest.mark.parametrize(
    ("layer", "function"), [("autoregressive", "affine"), ("coupling", "spline")]
)
def test_a_flow_starts_as_the_gaussian_that_it_is_made_of(layer, function):
    """And keeps its place and its scale: a narrow one far from 0, which a spline's box of standard
    numbers would not reach."""
    base = standing(jnp.array([31.0, -7.0]), jnp.array([0.01, 0.3]))
    encoder = networks.flow_posterior(0, base, SIZE, layer, function, layers=2, width=6)
    x, noise = normal(1, B, *SHAPE), normal(2, B, SIZE)
    own = base.apply({}, x, noise)
    found = encoder.apply(encoder.init(jax.random.key(0)), x, noise)
    np.testing.assert_allclose(found.vector, own.vector, rtol=1e-6)
    np.testing.assert_allclose(found.log_density, own.log_density, rtol=1e-5, atol=1e-5)
    params = moved(encoder)
    off = (encoder.apply(params, x, noise).vector - own.mean) / jnp.exp(0.5 * own.log_variance)
    assert np.abs(off - noise).max() > 0.01 and np.abs(off).max() < 30


def standing(mean, deviation):
    """N(mean, deviation^2) for every x."""

    def apply(params, x, noise):
        each = jax.scipy.stats.norm.logpdf(noise) - np.log(deviation)
        z = mean + deviation * noise
        return Encoding(z, mean, 2 * jnp.log(deviation), log_density=each.sum(axis=-1))

    return Encoder(lambda key: {}, apply, SIZE, factorized=True)


# x = W z + 0.5 e with z ~ N(0, I).
W = np.array([[1.0, 0.3], [-0.4, 1.2], [0.5, 0.5]])
X = np.array([1.5, -1.0, 0.7])
LIKELIHOOD = 0.25 * np.eye(3)


def log_normal(x, covariance):
    square = np.sum(np.asarray(x) * np.linalg.solve(covariance, np.asarray(x).T).T, axis=-1)
    return -0.5 * (square + np.linalg.slogdet(2 * np.pi * covariance)[1])


def energy(z):
    error = X - z @ W.T
    quadratic = jnp.sum(error**2, axis=-1) / 0.25 + jnp.sum(z**2, axis=-1)
    return 0.5 * (quadratic + 3 * jnp.log(2 * jnp.pi * 0.25) + 2 * jnp.log(2 * jnp.pi))


def test_a_leapfrog_goes_back_and_keeps_volume():
    step, z, momentum = jnp.array([0.2, 0.35]), normal(3, SIZE), normal(4, SIZE)
    slope = jax.grad(energy)

    def moved(both):
        z = both[:SIZE]
        *found, _ = leapfrog(slope, step, z, both[SIZE:], slope(z))
        return jnp.concatenate(found)

    both = jnp.concatenate([z, momentum])
    after = moved(both)
    assert np.abs(after - both).max() > 0.3
    pull = leapfrog(slope, step, z, momentum, slope(z))[2]
    np.testing.assert_allclose(pull, slope(after[:SIZE]), rtol=1e-12)
    back = moved(after * jnp.array([1, 1, -1, -1]))
    np.testing.assert_allclose(back, both * np.array([1, 1, -1, -1]), atol=1e-12)
    assert abs(np.linalg.slogdet(jax.jacfwd(moved)(both))[1]) < 1e-12


@pytest.mark.parametrize("first", [0.02, 0.3])
def test_leapfrogs_start_as_long_as_they_are_said_to(first):
    """Oracle: one step by hand, of a momentum that does not cool down."""
    mean, deviation = jnp.array([0.6, -0.2]), jnp.array([0.5, 0.4])
    encoder = networks.hamiltonian(standing(mean, deviation), SIZE, 1, False, first)
    noise = normal(5, 1, 2 * SIZE)
    found = encoder.apply(encoder.init(jax.random.key(0)), X[None], noise, energy)
    z, momentum = mean + deviation * noise[:, :SIZE], noise[:, SIZE:]
    pull = (z @ W.T - X) @ W / 0.25 + z
    expected = z + first * (momentum - 0.5 * first * pull)
    np.testing.assert_allclose(found.vector, expected, rtol=1e-6)


@pytest.mark.parametrize(("steps", "heat"), [(1, 0.3), (3, 0.8), (3, None)])
def test_the_bound_of_a_hamiltonian_posterior_is_of_the_evidence(steps, heat):
    """Oracle: E p(x, z) / q = p(x), which is Gaussian; and E log is below its log."""
    encoder = networks.hamiltonian(
        standing(jnp.array([0.6, -0.2]), jnp.array([0.5, 0.4])), SIZE, steps, heat is not None
    )
    params = encoder.init(jax.random.key(0)) | {"step": jnp.array([-1.0, 0.2])}
    if heat is not None:
        params["heat"] = jnp.asarray(heat)
    n = 200_000
    x, noise = jnp.broadcast_to(X, (n, 3)), normal(5, n, 2 * SIZE)
    found = jax.jit(partial(encoder.apply, energy=energy))(params, x, noise)
    log_weight = np.asarray(-energy(found.vector) - found.log_density)
    log_p = log_normal(X, W @ W.T + LIKELIHOOD)
    weight = np.exp(log_weight - log_p)
    error = weight.std() / np.sqrt(n)
    assert error < 0.02 and abs(weight.mean() - 1) < 4 * error
    assert log_weight.mean() < log_p - 0.01
    assert encoder.noise == 2 * SIZE and encoder.reads_model


def test_tempering_lets_a_wide_start_come_near():
    """A Hamiltonian flow keeps volume: at T = 1 a start that is too wide stays so, however many
    steps; the bound is better where the momentum takes the heat away."""
    base = standing(jnp.zeros(SIZE), 2 * jnp.ones(SIZE))
    n, bounds = 20_000, []
    for heat in (None, 1.5):
        encoder = networks.hamiltonian(base, SIZE, 5, heat is not None)
        params = {"base": {}, "step": jnp.full(SIZE, -0.5)}
        if heat is not None:
            params["heat"] = jnp.asarray(heat)
        x, noise = jnp.broadcast_to(X, (n, 3)), normal(6, n, 2 * SIZE)
        found = jax.jit(partial(encoder.apply, energy=energy))(params, x, noise)
        bounds.append(float(jnp.mean(-energy(found.vector) - found.log_density)))
    assert bounds[1] > bounds[0] + 0.3


def test_langevin_steps_are_those_by_hand():
    encoder = networks.langevin(standing(jnp.array([0.6, -0.2]), jnp.array([0.5, 0.4])), SIZE, 2)
    raw = np.array([-1.0, 0.2])
    step = 0.5 / (1 + np.exp(-raw))
    noise = np.asarray(normal(7, B, 3 * SIZE))
    found = encoder.apply(
        {"base": {}, "step": jnp.asarray(raw)}, jnp.broadcast_to(X, (B, 3)), jnp.asarray(noise),
        energy,
    )  # fmt: skip
    z = np.array([0.6, -0.2]) + np.array([0.5, 0.4]) * noise[:, :2]
    for k in (0, 1):
        slope = z - (X - z @ W.T) @ W / 0.25
        z = z - step**2 / 2 * slope + step * noise[:, 2 + 2 * k : 4 + 2 * k]
    np.testing.assert_allclose(found.vector, z, rtol=1e-10)
    assert found.log_density is None and encoder.noise == 3 * SIZE


# ------------------------------------------------------------------------------------ in a game


def config_of(kind):
    config = Config(batch_size=B, turns="simultaneous")
    config.code.size = SIZE
    for player in config.players:
        player.network.kind, player.network.hidden, player.network.depth = "mlp", FEATURES, 1
    config.encoder.kind = kind
    config.reconstruction.kind, config.generator.likelihood = "likelihood", "gaussian"
    config.generator.deviation = 0.5
    config.regularization.kind = "sampled_kl"
    return config


@pytest.mark.heavy
@pytest.mark.parametrize("layer", ["autoregressive", "coupling", "planar"])
def test_a_flow_can_be_made_where_a_game_is_traced(layer):
    game = build(config_of(f"flow(layer='{layer}', layers=1)"), SHAPE, values="real")
    assert init(game, jax.random.key(0)).params.encoder["flow"]


@pytest.mark.heavy
def test_a_posterior_that_reads_the_model_teaches_it_too():
    """Oracle: the loss by the posterior, the likelihood and the prior, put together by hand; the
    generator's gradient has the part that goes through z."""
    config = config_of("hamiltonian(steps=2)")
    config.encoder.optimizer.kind = config.generator.optimizer.kind = "sgd"
    game = build(config, SHAPE, values="real")
    state = init(game, jax.random.key(0))
    x = normal(8, B, *SHAPE).astype(jnp.float32)
    after, metrics = compile_step(game)(jax.tree.map(jnp.copy, state), x)
    assert np.isfinite(metrics["reconstruction"]) and np.isfinite(metrics["regularization"])
    for before, now in zip(
        jax.tree.leaves(state.params), jax.tree.leaves(after.params), strict=True
    ):
        assert np.abs(before - now).max() > 0


def test_the_energy_is_of_the_whole_model():
    """Oracle: both densities by hand, of a mean that the generator returns."""
    game = build(config_of("hamiltonian(steps=1)"), SHAPE, values="real")
    params = init(game, jax.random.key(0)).params
    x, z = normal(9, B, *SHAPE), 2 * normal(10, B, SIZE)
    draws = Draws(game, params, Noise(example_keys(jax.random.key(1), 0, B)), {"x": x})
    mean = game.networks.generator.mean(params.generator, Code(vector=z))
    error = np.sum(np.square((x - mean) / 0.5), axis=-1) + np.sum(np.square(z), axis=-1)
    expected = 0.5 * (error + 5 * np.log(2 * np.pi) + 3 * np.log(0.25))
    np.testing.assert_allclose(draws.energy(x, z), expected, rtol=1e-6)
    np.testing.assert_allclose(
        draws.encoding.vector,
        game.networks.encoder.apply(
            params.encoder, x, draws.encoder_noise(), partial(draws.energy, x)
        ).vector,
    )


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("hamiltonian", {"generator.likelihood": "none"}, "give the generator a likelihood"),
        ("hamiltonian(steps=0)", {}, "steps of a Hamiltonian posterior are 1 to 100, not 0"),
        ("hamiltonian(first=0.5)", {}, "a leapfrog at the start, is between 0 and 0.5, not 0.5"),
        ("langevin(steps=2.5)", {}, "steps is of type int, not 2.5"),
        ("langevin", {}, "needs the density of q"),
        ("flow(layer='radial')", {}, "layer of a flow is coupling or autoregressive or planar"),
        ("flow(layer='planar', function='spline')", {}, "leave function out"),
        ("flow(depth=2)", {}, "encoder.kind: .* cannot be called so"),
        ("flows", {}, "encoder.kind is one of deterministic, gaussian, implicit, flow"),
        ("flow", {"code.size": 0, "code.categories": 3}, "set code.size"),
        ("hamiltonian", {"code.categories": 3}, "set code.categories=0"),
        ("langevin", {"encoder.network.kind": "weight_norm"}, "does not start from data"),
    ],
)
def test_what_cannot_be_is_refused(kind, change, message):
    config = config_of(kind)
    for path, value in change.items():
        *sections, field = path.split(".")
        setattr(reduce(getattr, sections, config), field, value)
    with pytest.raises(InputError, match=message):
        build(config, SHAPE, values="real")
