"""Bijections: their determinants by autodiff, their inverses, and what a masked network reads.

In float64, with parameters far from those of the start.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from far_params import moved, normal

from iae_jax.errors import InputError
from iae_jax.networks.flow import coupling, flow, inverted
from iae_jax.networks.masked import Masked
from iae_jax.networks.monotone import spline
from iae_jax.sampling import priors

B, D, C = 6, 3, 2
KINDS = [
    *itertools.product(("coupling", "autoregressive"), ("affine", "spline")),
    ("planar", "affine"),
]


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.heavy
@pytest.mark.parametrize(("layer", "function"), KINDS)
def test_a_flow_has_the_determinant_of_its_jacobian_and_its_inverse(layer, function):
    """Some components lie outside of the spline's box."""
    bijection = flow(D, layer, function, layers=2, width=7, context=C)
    params, u, context = moved(bijection), 5 * normal(90, B, D), normal(91, B, C)

    @jax.jit
    def found(params, u, context):
        def one(u, context):
            return bijection.forward(params, u[None], context[None])[0][0]

        z, log_det = bijection.forward(params, u, context)
        back, back_det = bijection.inverse(params, z, context)
        other = bijection.forward(params, u, context[::-1])[0]
        return z, log_det, back, back_det, other, jax.vmap(jax.jacfwd(one))(u, context)

    z, log_det, back, back_det, other, jacobian = found(params, u, context)
    sign, expected = np.linalg.slogdet(jacobian)
    assert (sign == 1).all() and np.ptp(expected) > 0.5 and np.abs(u).max() > 5
    np.testing.assert_allclose(log_det, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(back, u, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(back_det, -expected, rtol=1e-7, atol=1e-9)
    # Vector and context both matter.
    assert np.abs(z - u).max() > 0.5 and np.abs(other - z).max() > 1e-3


def test_an_inverted_bijection_is_the_same_one_the_other_way():
    bijection = flow(D, layers=1, width=4)
    params, u = moved(bijection), normal(3, B, D)
    z, log_det = bijection.forward(params, u, None)
    for found, expected in zip(
        inverted(bijection).inverse(params, u, None), (z, log_det), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("layer", "function"), KINDS)
def test_a_flow_is_the_identity_before_it_learns(layer, function):
    bijection, u = flow(D, layer, function, layers=1, width=5), 2 * normal(1, B, D)
    z, log_det = jax.jit(bijection.forward)(bijection.init(jax.random.key(3)), u, None)
    np.testing.assert_allclose(z, u, atol=1e-12)
    np.testing.assert_allclose(log_det, 0, atol=1e-12)


@pytest.mark.parametrize("context", [0, C])
def test_a_masked_network_reads_what_comes_before(context):
    """The Jacobian has zeros that are exact where a component does not come before another, in the
    layer's order, and itself neither; elsewhere nothing is 0, and all read the context."""
    order = (2, 4, 1, 3)
    module = Masked(order, 11, 2)
    x, given = normal(5, B, 4), normal(6, B, context) if context else None
    leaves, tree = jax.tree.flatten(module.init(jax.random.key(0), x, given))
    params = tree.unflatten([normal(i, *leaf.shape) for i, leaf in enumerate(leaves)])
    network = jax.jit(lambda x, given: module.apply(params, x, given))
    # [i, component, number, j, component]: of example i with respect to example j.
    full = np.asarray(jax.jacfwd(network)(x, given))
    found = full[np.arange(B), :, :, np.arange(B)]
    before = np.array(order)[:, None] > np.array(order)[None, :]
    assert (found.transpose(1, 3, 0, 2)[~before] == 0).all()
    assert (np.abs(found).max(axis=(0, 2))[before] > 1e-6).all()
    if given is not None:
        by_context = jax.jacfwd(network, 1)(x, given)
        assert (np.abs(by_context).max(axis=(0, 3)) > 1e-6).all()


def test_a_planar_layer_is_invertible_whatever_its_parameters_are():
    """Without the change of u, w.u below -1 would fold the space (Rezende and Mohamed 2015)."""
    bijection = flow(D, "planar", layers=1, width=4)
    params, u = moved(bijection, scale=3.0), 2 * normal(4, 40, D)
    (dense,) = [one["params"] for one in params]
    dense["Dense_0"] = jax.tree.map(lambda leaf: 0.1 * leaf, dense["Dense_0"])
    dense["Dense_1"] = jax.tree.map(lambda leaf: 10 * leaf, dense["Dense_1"])
    read = [dense[name]["kernel"][0] + dense[name]["bias"] for name in ("Dense_0", "Dense_1")]
    assert read[0] @ read[1] < -1.5
    z, log_det = jax.jit(bijection.forward)(params, u, None)
    np.testing.assert_allclose(jax.jit(bijection.inverse)(params, z, None)[0], u, atol=1e-7)
    jacobian = jax.vmap(jax.jacfwd(lambda u: bijection.forward(params, u[None], None)[0][0]))(u)
    sign, expected = np.linalg.slogdet(jacobian)
    assert (sign == 1).all()
    np.testing.assert_allclose(log_det, expected, rtol=1e-6, atol=1e-9)


def test_the_inverse_of_a_planar_layer_has_its_gradients():
    """Oracle: the inverse of forward's Jacobian, and the change of z by a parameter through it; and
    the log determinant, which is forward's with the other sign. The inverse is searched, and a
    search alone has no such gradient."""
    bijection = flow(D, "planar", layers=1, width=4)
    params, u = moved(bijection, scale=0.5), normal(11, B, D)
    leaves, tree = jax.tree.flatten(params)

    def forward(leaves, u):
        z, log_det = bijection.forward(tree.unflatten(leaves), u[None], None)
        return z[0], log_det[0]

    def inverse(leaves, z):
        u, log_det = bijection.inverse(tree.unflatten(leaves), z[None], None)
        return u[0], log_det[0]

    there, back_again = jax.jit(jax.jacfwd(forward, (0, 1))), jax.jit(jax.jacrev(inverse, (0, 1)))
    furthest = 0.0
    for one in u:
        z = forward(leaves, one)[0]
        (by_theta, by_u), (det_by_theta, det_by_u) = there(leaves, one)
        (found_theta, found_z), (found_det_theta, found_det_z) = back_again(leaves, z)
        back = np.linalg.inv(by_u)
        furthest = max(furthest, np.abs(back - np.eye(D)).max())
        np.testing.assert_allclose(found_z, back, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(found_det_z, -det_by_u @ back, rtol=1e-7, atol=1e-9)
        for i in range(len(leaves)):
            expected = -np.tensordot(back, by_theta[i], 1)
            np.testing.assert_allclose(found_theta[i], expected, rtol=1e-7, atol=1e-9)
            of_det = -(det_by_theta[i] + np.tensordot(det_by_u, expected, 1))
            np.testing.assert_allclose(found_det_theta[i], of_det, rtol=1e-7, atol=1e-9)
    assert furthest > 0.05


def test_a_coupling_leaves_what_it_reads():
    bijection = coupling(spline(), 5, 6, (0, 3))
    params, u = moved(bijection), normal(7, B, 5)
    z, _ = jax.jit(bijection.forward)(params, u, None)
    stays = [1, 2, 4]
    np.testing.assert_array_equal(z[:, stays], u[:, stays])
    assert (np.abs(z - u)[:, [0, 3]].max(axis=0) > 1e-3).all()


def test_every_component_moves_in_two_couplings():
    bijection = flow(7, layers=2, width=4)
    z, _ = jax.jit(bijection.forward)(moved(bijection), normal(8, B, 7), None)
    assert (np.abs(z - normal(8, B, 7)).max(axis=0) > 1e-3).all()


@pytest.mark.parametrize("bins", [1, 5])
def test_a_spline_is_increasing_and_joins_the_identity(bins):
    """Oracle: differences of neighbours on a grid, against the slope that is claimed."""
    function = spline(bins, bound=2.0)
    x = jnp.linspace(-3, 3, 6001)
    parameters = jnp.broadcast_to(1.5 * normal(2, function.numbers), (len(x), function.numbers))
    y, log_slope = jax.jit(function.forward)(parameters, x)
    outside = np.abs(x) >= 2
    np.testing.assert_array_equal(y[outside], x[outside])
    slopes = np.diff(y) / np.diff(x)
    assert (slopes > 0).all()
    middle = (np.exp(log_slope[1:]) + np.exp(log_slope[:-1])) / 2
    np.testing.assert_allclose(slopes, middle, rtol=0.02)
    # It meets the ends with the identity's slope.
    edges = jnp.array([-2 + 1e-9, 2 - 1e-9])
    _, at_edges = jax.jit(function.forward)(parameters[:2], edges)
    np.testing.assert_allclose(at_edges, 0, atol=1e-5)
    if bins > 1:
        assert np.ptp(log_slope) > 1


def test_a_gradient_at_a_knot_and_outside_is_finite():
    function = spline(4, bound=1.0)
    x = jnp.array([-1.0, -0.5, 0.0, 1.0, 7.0])
    zeros = jnp.zeros((5, function.numbers))
    for way in (function.forward, function.inverse):
        total = jax.jit(lambda p, x, way=way: sum(map(jnp.sum, way(p, x))))
        gradient = jax.grad(total, (0, 1))(zeros, x)
        assert all(np.isfinite(one).all() for one in gradient)


@pytest.mark.parametrize(
    ("size", "kind", "message"),
    [
        (1, "flow", "a coupling needs 2 components: set layer='autoregressive'"),
        (3, "flow(layer='radial')", "coupling or autoregressive or planar, not 'radial'"),
        (3, "flow(layer='planar', function='spline')", "moves no component by itself"),
        (3, "flow(function='cubic')", "function of a flow is affine or spline, not 'cubic'"),
        (3, "flow(layers=0)", "layers of a flow is from 1 to 100, not 0"),
        (3, "flow(width=2.5)", "width is of type int, not 2.5"),
        (3, "flow(base='petals')", "base of a flow is one of gaussian, mixture"),
        (3, "mixture(components=0)", "components of a mixture are from 1 to 10000, not 0"),
        (3, "mixture(covariance='tied')", "covariance of a mixture is full or diagonal"),
    ],
)
def test_what_is_no_flow_is_refused(size, kind, message):
    with pytest.raises(InputError, match=message):
        priors.prior(kind, size)


def test_a_spline_without_bins_or_a_box_is_refused():
    with pytest.raises(InputError, match="bins of a spline are from 1 to 100, not 0"):
        spline(bins=0)
    with pytest.raises(InputError, match="bound of a spline is positive, not 0"):
        spline(bound=0)
