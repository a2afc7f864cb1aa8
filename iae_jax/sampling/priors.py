"""Priors p(z): the distributions that codes are meant to follow."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.kinds import made
from iae_jax.networks import flow as flows
from iae_jax.sampling.flow_prior import flow_prior
from iae_jax.sampling.mixture import START_SD, mixture
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


def learned_categories(categories: int) -> Prior:
    """Categories whose probabilities are learned; uniform at the start."""

    def sample(params: Params, gumbel: Array) -> Code:
        drawn = jnp.argmax(params["logits"] + gumbel, axis=-1)
        one_hot = jax.nn.one_hot(drawn, categories)
        return Code(category=one_hot, probabilities=one_hot)

    return Prior(
        lambda key: jax.random.gumbel(key, (categories,)),
        sample,
        0,
        categories,
        init=lambda key: {"logits": jnp.zeros(categories)},
        log_probabilities=lambda params: jax.nn.log_softmax(params["logits"]),
    )


def product(vector: Prior, category: Prior) -> Prior:
    """A vector and a category, independent. The parameters are the vector's; where categories learn
    {"category": ..., "vector": ...}, without the latter if the vector does not."""
    init = vector.init
    if category.init:
        init = _init_of(category=category.init, vector=vector.init)
        vector, category = _at("vector", vector), _at("category", category)

    def draw(key: Array) -> tuple[Any, Any]:
        first, second = jax.random.split(key)
        return vector.draw(first), category.draw(second)

    def sample(params: Params, drawn: tuple[Any, Any]) -> Code:
        z = category.sample(params, drawn[1])
        return z._replace(vector=vector.sample(params, drawn[0]).vector)

    return vector._replace(
        draw=draw,
        sample=sample,
        categories=category.categories,
        init=init,
        log_probabilities=category.log_probabilities,
    )


def conditional(vector: Prior, category: Prior) -> Prior:
    """p(y) p(z|y): a category, and `vector` moved by a mean of that category's own, which is
    learned."""
    base = product(vector, category)
    init = _init_of(
        mean=lambda key: START_SD * jax.random.normal(key, (base.categories, base.size)),
        base=base.init,
    )
    base = _at("base", base)

    def given(params: Params, drawn: tuple[Any, Any], category: Array) -> Code:
        vector = base.sample(params, drawn).vector
        return Code(vector + category @ params["mean"], category, category)

    def sample(params: Params, drawn: tuple[Any, Any]) -> Code:
        z = base.sample(params, drawn)
        return z._replace(vector=z.vector + z.category @ params["mean"])

    def log_density(params: Params, z: Code) -> Array:
        assert base.log_density is not None
        return base.log_density(params, z._replace(vector=z.vector - z.category @ params["mean"]))

    return base._replace(
        sample=sample,
        standard_normal=False,
        log_density=base.log_density and log_density,
        init=init,
        given=given,
    )


def flow(
    size: int,
    layer: str = "coupling",
    function: str = "affine",
    layers: int = 8,
    width: int = 128,
    base: str = "gaussian",
) -> Prior:
    """A flow whose density is computed in one pass (see `networks.flow.flow`); sampling takes one
    too for couplings, and `size` passes for autoregressive layers. base: gaussian or mixture, with
    arguments as a `kind` has them."""
    bijection = flows.inverted(flows.flow(size, layer, function, layers, width))
    return flow_prior(bijection, made(base, BASES, "base of a flow", size))


BASES: dict[str, Callable[..., Prior]] = {"gaussian": gaussian, "mixture": mixture}
KINDS: dict[str, Callable[..., Prior]] = {
    "gaussian": gaussian,
    "petals": petals,
    "swiss_roll": swiss_roll,
    "mixture": mixture,
    "flow": flow,
}
CATEGORIES: dict[str, Callable[[int], Prior]] = {
    "uniform": categorical,
    "learned": learned_categories,
}


def prior(
    kind: str, size: int, categories: int = 0, category: str = "uniform", given: bool = False
) -> Prior:
    """The prior of a code: a vector of `size` components that follows `kind` (see `kinds`), a
    category that is "uniform" or "learned", or both, by which of the two sizes is not 0.

    given: the vector has a mean for each category.

    Raises:
      InputError: no such kind, or one of another size.
    """
    if category not in CATEGORIES:
        raise InputError(f"prior.category is {' or '.join(CATEGORIES)}, not {category!r}")
    if category != "uniform" and not categories:
        raise InputError(
            "the code has no categories: set code.categories, or prior.category to uniform"
        )
    if given and not (size and categories):
        raise InputError(
            "prior.conditional is of a vector given a category: set code.size and code.categories"
        )
    if not size:
        return CATEGORIES[category](categories)
    vector = made(kind, KINDS, "prior.kind", size)
    if not isinstance(vector, Prior) or vector.size != size:
        raise InputError(f"prior.kind={kind!r} is not a prior of {size} components (code.size)")
    if not categories:
        return vector
    return (conditional if given else product)(vector, CATEGORIES[category](categories))


def _init_of(**inits: Callable[[Array], Params] | None) -> Callable[[Array], Params]:
    """key -> a part of the parameters for each that is not None."""

    def init(key: Array) -> Params:
        keys = jax.random.split(key, len(inits))
        return {name: own(one) for (name, own), one in zip(inits.items(), keys, strict=True) if own}

    return init


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
        draw=_part("decoder", generator.draw),
    )


def _at(name: str, prior: Prior) -> Prior:
    """A prior that learns, as it reads a part of other parameters; one that does not as it is."""
    if prior.init is None:
        return prior
    fields = ("sample", "log_density", "log_probabilities", "given")
    return prior._replace(**{field: _part(name, getattr(prior, field)) for field in fields})


def in_player(prior: Prior) -> Prior:
    """A prior that learns, as it reads the parameters of `with_prior`'s player."""
    return _at("prior", prior)


def fixed_samples(prior: Prior) -> Prior:
    """The same prior with samples that pass no gradient to its parameters: it learns from its
    density alone, and not from what tells its samples from codes."""

    def sample(params: Params, drawn: Any) -> Code:
        return jax.lax.stop_gradient(prior.sample(params, drawn))

    return prior._replace(sample=sample)
