"""p(z): the distribution that codes are meant to follow."""

import jax

from iae_jax.types import Array, Code, Prior


def gaussian(size: int) -> Prior:
    """N(0, I) on vectors of `size` components."""

    def sample(keys: Array) -> Code:
        return Code(vector=jax.vmap(lambda key: jax.random.normal(key, (size,)))(keys))

    return Prior(sample, standard_normal=True, size=size, categories=0)


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

