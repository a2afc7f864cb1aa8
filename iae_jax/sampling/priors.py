"""Priors p(z): the distributions that codes are meant to follow."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.kinds import made
from iae_jax.types import Array, Code, Generator, Params, Prior


def fixed(draw: Callable[[Array], Array], size: int, **fields: Any) -> Prior:
    """A prior without parameters, from key -> one vector f32[size]. fields: of `Prior`."""
    return Prior(draw, lambda params, vector: Code(vector=vector), size, **fields)


def gaussian(size: int) -> Prior:
    """N(0, I) on vectors of `size` components."""

    def log_density(params: Params, z: Code) -> Array:
        assert z.vector is not None
        return jnp.sum(jax.scipy.stats.norm.logpdf(z.vector), axis=-1)

    return fixed(
        lambda key: jax.random.normal(key, (size,)),
        size,
        standard_normal=True,
        log_density=log_density,
    )


def _check_planar(size: int, name: str) -> None:
    if size != 2:
        raise InputError(f"the prior {name} is in the plane: set code.size=2, not {size}")


def petals(
    size: int = 2,
    components: int = 10,
    radius: float = 2.0,
    radial: float = 0.5,
    tangential: float = 0.15,
) -> Prior:
    """A mixture of 2-D Gaussians around a circle, each longer along the radius than across it
    (Makhzani et al. 2015, fig. 2: the mixture of ten)."""
    _check_planar(size, "petals")

    def draw(key: Array) -> Array:
        which, where = jax.random.split(key)
        angle = 2 * jnp.pi * jax.random.randint(which, (), 0, components) / components
        along, across = jax.random.normal(where, (2,)) * jnp.array([radial, tangential])
        toward = jnp.array([jnp.cos(angle), jnp.sin(angle)])
        aside = jnp.array([-jnp.sin(angle), jnp.cos(angle)])
        return (radius + along) * toward + across * aside

    def log_density(params: Params, z: Code) -> Array:
        assert z.vector is not None
        angle = 2 * jnp.pi * jnp.arange(components) / components
        toward = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
        aside = jnp.stack([-jnp.sin(angle), jnp.cos(angle)])
        each = jax.scipy.stats.norm.logpdf(z.vector @ toward, radius, radial)
        each += jax.scipy.stats.norm.logpdf(z.vector @ aside, 0.0, tangential)
        return jax.nn.logsumexp(each, axis=-1) - jnp.log(components)

    return fixed(draw, 2, log_density=log_density)


def swiss_roll(
    size: int = 2, radius: float = 3.0, turns: float = 2.0, deviation: float = 0.1
) -> Prior:
    """A spiral in the plane, evenly along its length, with Gaussian noise across and along it
    (Makhzani et al. 2015, fig. 4). Its density is not in closed form."""
    _check_planar(size, "swiss_roll")

    def draw(key: Array) -> Array:
        where, noise = jax.random.split(key)
        # Length grows as the square of the angle.
        share = jnp.sqrt(jax.random.uniform(where))
        angle = 2 * jnp.pi * turns * share
        on = radius * share * jnp.array([jnp.cos(angle), jnp.sin(angle)])
        return on + deviation * jax.random.normal(noise, (2,))

    return fixed(draw, 2)


def categorical(categories: int) -> Prior:
    """The uniform distribution on `categories` categories."""

    def sample(params: Params, drawn: Array) -> Code:
        one_hot = jax.nn.one_hot(drawn, categories)
        return Code(category=one_hot, probabilities=one_hot)

    return Prior(lambda key: jax.random.randint(key, (), 0, categories), sample, 0, categories)


def product(vector: Prior, category: Prior) -> Prior:
    """A vector and a category, independent."""

    def draw(key: Array) -> tuple[Any, Any]:
        first, second = jax.random.split(key)
        return vector.draw(first), category.draw(second)

    def sample(params: Params, drawn: tuple[Any, Any]) -> Code:
        z = category.sample(params, drawn[1])
        return z._replace(vector=vector.sample(params, drawn[0]).vector)

    return vector._replace(draw=draw, sample=sample, categories=category.categories)


KINDS: dict[str, Callable[..., Prior]] = {
    "gaussian": gaussian,
    "petals": petals,
    "swiss_roll": swiss_roll,
}


def prior(kind: str, size: int, categories: int = 0) -> Prior:
    """The prior of a code: a vector of `size` components that follows `kind` (see `kinds`), a
    uniform category, or both, by which of the two sizes is not 0.

    Raises:
      InputError: no such kind, or one of another size.
    """
    if not size:
        return categorical(categories)
    vector = made(kind, KINDS, "prior.kind", size)
    if not isinstance(vector, Prior) or vector.size != size:
        raise InputError(f"prior.kind={kind!r} is not a prior of {size} components (code.size)")
    return product(vector, categorical(categories)) if categories else vector


def _part(name: str, function: Callable[..., Any] | None) -> Any:
    """The same function of one part of the player's parameters."""
    return function and (lambda params, *rest: function(params[name], *rest))


def with_prior(generator: Generator, prior: Prior) -> Generator:
    """The player of p(x, z) = p(z) p(x|z) for a prior that learns, whose parameters are
    {"decoder": ..., "prior": ...}; for a fixed prior the generator itself."""
    own_init = prior.init
    if own_init is None:
        return generator

    def init(key: Array) -> Params:
        first, second = jax.random.split(key)
        return {"decoder": generator.init(first), "prior": own_init(second)}

    return generator._replace(
        init=init,
        sample=_part("decoder", generator.sample),
        log_likelihood=_part("decoder", generator.log_likelihood),
        mean=_part("decoder", generator.mean),
    )


def in_player(prior: Prior) -> Prior:
    """A prior that learns, as it reads the parameters of `with_prior`'s player."""
    if prior.init is None:
        return prior
    return prior._replace(
        sample=_part("prior", prior.sample), log_density=_part("prior", prior.log_density)
    )
