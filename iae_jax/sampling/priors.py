"""p(z): the distribution that codes are meant to follow."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from iae_jax.types import Array, Code, Prior


def gaussian(size: int) -> Prior:
    """N(0, I) on vectors of `size` components."""

    def sample(keys: Array) -> Code:
        return Code(vector=jax.vmap(lambda key: jax.random.normal(key, (size,)))(keys))

    return Prior(sample, standard_normal=True, size=size, categories=0)


def _planar(one: Callable[[Array], Array]) -> Prior:
    """A prior on the plane from key -> f32[2]."""
    return Prior(
        lambda keys: Code(vector=jax.vmap(one)(keys)), standard_normal=False, size=2, categories=0
    )


def petals(
    components: int = 10, radius: float = 2.0, radial: float = 0.5, tangential: float = 0.15
) -> Prior:
    """A mixture of 2-D Gaussians around a circle, each longer along the radius than across it
    (Makhzani et al. 2015, fig. 2: the mixture of ten)."""

    def one(key: Array) -> Array:
        which, where = jax.random.split(key)
        angle = 2 * jnp.pi * jax.random.randint(which, (), 0, components) / components
        along, across = jax.random.normal(where, (2,)) * jnp.array([radial, tangential])
        toward = jnp.array([jnp.cos(angle), jnp.sin(angle)])
        aside = jnp.array([-jnp.sin(angle), jnp.cos(angle)])
        return (radius + along) * toward + across * aside

    return _planar(one)


def swiss_roll(radius: float = 3.0, turns: float = 2.0, deviation: float = 0.1) -> Prior:
    """A spiral in the plane, evenly along its length, with Gaussian noise across and along it
    (Makhzani et al. 2015, fig. 4)."""

    def one(key: Array) -> Array:
        where, noise = jax.random.split(key)
        # Length grows as the square of the angle.
        share = jnp.sqrt(jax.random.uniform(where))
        angle = 2 * jnp.pi * turns * share
        on = radius * share * jnp.array([jnp.cos(angle), jnp.sin(angle)])
        return on + deviation * jax.random.normal(noise, (2,))

    return _planar(one)


def categorical(categories: int) -> Prior:
    """The uniform distribution on `categories` categories."""

    def sample(keys: Array) -> Code:
        drawn = jax.vmap(lambda key: jax.random.randint(key, (), 0, categories))(keys)
        one_hot = jax.nn.one_hot(drawn, categories)
        return Code(category=one_hot, probabilities=one_hot)

    return Prior(sample, standard_normal=False, size=0, categories=categories)


def product(vector: Prior, category: Prior) -> Prior:
    """A vector and a category, independent."""

    def sample(keys: Array) -> Code:
        halves = jax.vmap(jax.random.split)(keys)
        return category.sample(halves[:, 1])._replace(vector=vector.sample(halves[:, 0]).vector)

    return Prior(sample, vector.standard_normal, vector.size, category.categories)


def standard(size: int, categories: int = 0) -> Prior:
    """N(0, I), a uniform category, or both, by which of the two sizes is not 0."""
    if not categories:
        return gaussian(size)
    if not size:
        return categorical(categories)
    return product(gaussian(size), categorical(categories))
