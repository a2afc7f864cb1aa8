"""Encoders, generators and discriminators, by what must change their output and what must not."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.types import Code

SHAPES = [(2,), (8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3)]
B, D, K, N = 3, 5, 4, 6
MLP = networks.Layout("mlp", hidden=16)


def layout(shape):
    kind = {1: "mlp", 3: "residual" if shape[0] == 32 else "conv"}[len(shape)]
    return networks.Layout(kind, width=4, hidden=16)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


# ------------------------------------------------------------------------------------- builders


@pytest.mark.heavy
@pytest.mark.parametrize(
    "shape,kind,noise",
    [(shape, "implicit", N) for shape in SHAPES]
    + [(shape, kind, 0) for shape in SHAPES[:2] for kind in ("deterministic", "gaussian")],
)
def test_encoder(shape, kind, noise):
    encoder = networks.encoder(layout(shape), shape, kind, D, K, noise)
    params = jax.jit(encoder.init)(jax.random.key(0))
    apply = jax.jit(encoder.apply)
    x, noises = normal(1, B, *shape), [normal(seed, B, encoder.noise) for seed in (2, 3)]
    one, other = (apply(params, x, noise) for noise in noises)
    assert one.vector.shape == (B, D) and one.logits.shape == (B, K)
    assert encoder.noise == {"deterministic": 0, "gaussian": D, "implicit": N}[kind]
    assert encoder.factorized == (kind == "gaussian")
    assert np.allclose(one.vector, other.vector) == (kind == "deterministic")
    assert not np.allclose(one.vector[0], one.vector[1])
    if kind == "gaussian":
        expected = one.mean + np.exp(np.asarray(one.log_variance) / 2) * noises[0]
        np.testing.assert_allclose(one.vector, expected, rtol=1e-4, atol=1e-5)
        chex.assert_trees_all_equal(one.logits, other.logits)
    else:
        assert one.mean is None and one.log_variance is None


@pytest.mark.heavy
@pytest.mark.parametrize(
    "shape,noise_at", [(s, "depth") for s in SHAPES] + [(s, "input") for s in SHAPES[:2]]
)
def test_generator(shape, noise_at):
    generator = networks.generator(layout(shape), shape, D, K, N, noise_at)
    params = jax.jit(generator.init)(jax.random.key(0))
    sample = jax.jit(generator.sample)
    z = Code(normal(1, B, D), jnp.eye(K)[:B])
    noise, zero = normal(2, B, N), jnp.zeros((B, N))
    out = sample(params, z, noise)
    assert out.shape == (B, *shape) and generator.noise == N
    assert generator.log_likelihood is None
    assert (out > 0).all() and (out < 1).all()
    others = (
        sample(params, z, zero),
        sample(params, z._replace(vector=z.vector + 1), noise),
        sample(params, z._replace(category=jnp.roll(z.category, 1, axis=-1)), noise),
    )
    for other in others:  # the local code, the vector and the category are all read
        assert (np.abs(out - other).reshape(B, -1).max(axis=-1) > 1e-4).all()
    moved_first = sample(params, z, noise.at[0].add(1.0))
    np.testing.assert_allclose(moved_first[1:], out[1:], atol=1e-6)  # examples do not mix


@pytest.mark.heavy
@pytest.mark.parametrize(
    "shape,reads",
    [(shape, ("x", "z")) for shape in SHAPES]
    + [(shape, reads) for shape in SHAPES[:2] for reads in (("x",), ("z",))],
)
def test_discriminator(shape, reads):
    discriminator = networks.discriminator(layout(shape), shape, reads, D, K)
    params = jax.jit(discriminator.init)(jax.random.key(0))
    apply = jax.jit(lambda x, z: discriminator.apply(params, x, z))
    x = normal(1, B, *shape) if "x" in reads else None
    z = normal(2, B, D) if "z" in reads else None
    out = apply(x, z)
    assert out.shape == (B, K if "z" in reads else 1) and discriminator.reads == reads
    for other in ([apply(x + 1, z)] if "x" in reads else []) + (
        [apply(x, z + 1)] if "z" in reads else []
    ):
        assert (np.abs(out - other).max(axis=-1) > 1e-4).all()
    if reads == ("x", "z"):  # f(x) + g(z) would give 0: it could not tell whether they match
        mixed = apply(x, z) - apply(x + 1, z) - apply(x, z + 1) + apply(x + 1, z + 1)
        assert (np.abs(mixed).max(axis=-1) > 1e-3).all()


def test_z_enters_the_joint_discriminator_by_more_than_an_addition():
    """Oracle: the mixed second derivative is 0 almost everywhere where z is only added and only
    leaky ReLUs follow; a gate is a product of x and z and has one."""
    discriminator = networks.discriminator(MLP, (2,), ("x", "z"), D)
    params = jax.jit(discriminator.init)(jax.random.key(0))

    def logit(x, z):
        return discriminator.apply(params, x[None], z[None])[0, 0]

    mixed = jax.jit(jax.jacfwd(jax.grad(logit), 1))(normal(1, 2), normal(2, D))
    assert np.abs(mixed).max() > 1e-3


def test_a_category_alone_has_a_logit_each():
    discriminator = networks.discriminator(MLP, (2,), ("z",), 0, K)
    params = jax.jit(discriminator.init)(jax.random.key(0))
    assert discriminator.apply(params, None, None).shape[-1] == K
    encoder = networks.encoder(MLP, (2,), "deterministic", 0, K)
    params = jax.jit(encoder.init)(jax.random.key(0))
    encoding = encoder.apply(params, normal(1, B, 2), jnp.zeros((B, 0)))
    assert encoding.vector is None and encoding.logits.shape == (B, K) and encoder.factorized


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["conv", "residual"])
def test_few_components_of_z_are_not_drowned_by_many_of_n(kind):
    """Of an untrained generator's variance, z's part (its mean over n) is not below a half of n's,
    though n has forty times as many components."""
    shape = (16, 16, 3)
    generator = networks.generator(networks.Layout(kind, 8, 32), shape, D, 0, 40 * D, "depth")
    sample = jax.jit(generator.sample)
    params = jax.jit(generator.init)(jax.random.key(0))
    z, n = normal(1, 24, D), normal(2, 24, 40 * D)
    images = np.stack([sample(params, Code(z), jnp.tile(one, (24, 1))) for one in n])  # [n, z, ...]
    by_z, by_n = images.mean(0).var(0).mean(), images.mean(1).var(0).mean()
    assert by_z > by_n / 2


@pytest.mark.heavy
def test_a_residual_generator_reads_its_code_at_every_resolution():
    """Each block alone, the others' styles and the smallest grid cut off from z and n."""
    shape = (32, 32, 3)
    generator = networks.generator(layout(shape), shape, D, 0, N, "depth")
    params = jax.jit(generator.init)(jax.random.key(0))["params"]["Body_0"]
    blocks = [name for name in params if name.startswith("Up_")]
    assert len(blocks) == 3  # 4 -> 8 -> 16 -> 32
    sample = jax.jit(lambda body, z, n: generator.sample({"params": {"Body_0": body}}, Code(z), n))
    z, n = normal(1, B, D), normal(2, B, N)

    def cut(part):
        return jax.tree.map(jnp.zeros_like, part)

    for block in blocks:
        body = {**params, "Dense_2": cut(params["Dense_2"])}
        # A constant grid, which is not all the same: there are biases.
        body["Dense_2"]["bias"] = normal(3, *params["Dense_2"]["bias"].shape)
        for other in set(blocks) - {block}:
            body[other] = {
                name: cut(part) if name.startswith("Modulate") else part
                for name, part in params[other].items()
            }
        out = sample(body, z, n)
        for changed in (sample(body, z + 1, n), sample(body, z, n + 1)):
            assert (np.abs(out - changed).reshape(B, -1).max(axis=-1) > 1e-5).all(), block


def test_real_values_leave_the_unit_interval():
    generator = networks.generator(MLP, (2,), D, values="real")
    out = generator.sample(
        jax.jit(generator.init)(jax.random.key(0)), Code(9 * normal(1, 40, D)), jnp.zeros((40, 0))
    )
    assert out.min() < 0 and out.max() > 1


@pytest.mark.parametrize("kind", ["deterministic", "gaussian", "implicit"])
def test_examples_do_not_mix(kind):
    """No batch statistics: one example alone is the same example in a batch."""
    encoder = networks.encoder(layout((8, 8, 1)), (8, 8, 1), kind, D, K, N * (kind == "implicit"))
    params = jax.jit(encoder.init)(jax.random.key(0))
    x, noise = normal(1, B, 8, 8, 1), normal(2, B, encoder.noise)
    whole = encoder.apply(params, x, noise)
    alone = encoder.apply(params, x[1:2], noise[1:2])
    chex.assert_trees_all_close(
        jax.tree.map(lambda leaf: leaf[1:2], whole), alone, rtol=1e-4, atol=1e-5
    )


WRONG = {
    "unknown layout": (
        lambda: networks.encoder(networks.Layout("rnn"), (2,), "gaussian", D),
        "one of mlp, weight_norm, free_weight_norm, conv, residual",
    ),
    "conv on a vector": (
        lambda: networks.generator(networks.Layout("conv"), (2,), D),
        "set the network to mlp",
    ),
    "a side that is not halved": (
        lambda: networks.encoder(networks.Layout("conv"), (28, 30, 1), "deterministic", D),
        "28x30 cannot be halved that far: crop or resize",
    ),
    "a large odd side": (
        lambda: networks.generator(networks.Layout("residual"), (250, 250, 3), D),
        "until a side is at most 16, and 250x250",
    ),
    "unknown encoder": (
        lambda: networks.encoder(MLP, (2,), "flow", D),
        "deterministic, gaussian or implicit",
    ),
    "implicit without noise": (lambda: networks.encoder(MLP, (2,), "implicit", D), "encoder.noise"),
    "deterministic with noise": (
        lambda: networks.encoder(MLP, (2,), "deterministic", D, noise=3),
        "kind=implicit",
    ),
    "no code": (lambda: networks.encoder(MLP, (2,), "deterministic", 0), "size"),
    "unknown likelihood": (
        lambda: networks.generator(MLP, (2,), D, likelihood="poisson"),
        "bernoulli, gaussian",
    ),
    "unknown noise_at": (lambda: networks.generator(MLP, (2,), D, noise_at="top"), "input, depth"),
    "a local code at depth of a network without levels": (
        lambda: networks.generator(networks.Layout("conv"), (9, 9, 1), D, 0, N, "depth"),
        "9x9 it has none: set generator.noise_at=input",
    ),
    "the same of another kind": (
        lambda: networks.generator(networks.Layout("residual"), (7, 7, 3), D, 0, N, "depth"),
        "noise_at=input, or network.kind=mlp",
    ),
    "unknown values": (lambda: networks.generator(MLP, (2,), D, values="bytes"), "unit, real"),
    "bernoulli of real values": (
        lambda: networks.generator(MLP, (2,), D, likelihood="bernoulli", values="real"),
        "likelihood=gaussian",
    ),
    "unknown reads": (lambda: networks.discriminator(MLP, (2,), ("y",), D), "x, z or x and z"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_networks_are_refused(name):
    build, fix = WRONG[name]
    with pytest.raises(InputError, match=fix):
        build()


def test_with_quadratic_adds_half_the_squared_length_of_the_code():
    base = networks.discriminator(networks.Layout("mlp", hidden=5), (3,), ("x", "z"), size=2)
    params = base.init(jax.random.key(0))
    x, z = jnp.array([[0.1, 0.5, 0.9], [1.0, 0.0, 0.3]]), jnp.array([[3.0, 4.0], [-1.0, 2.0]])
    found = networks.with_quadratic(base).apply(params, x, z) - base.apply(params, x, z)
    np.testing.assert_allclose(found, [[12.5], [2.5]], rtol=1e-5)


# ------------------------------------------------------------------------------------ precision
