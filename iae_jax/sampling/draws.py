"""One joint sample of every distribution on the slide, and the pure functions built on it.

Randomness is one key for each example of the *global* batch, so that one device, eight devices
and two hosts draw the same noise. What an objective does not read, XLA deletes.
"""

import math

import jax
import jax.numpy as jnp

from iae_jax.sampling.augmentation import worst_change
from iae_jax.types import (
    Aggregated,
    Array,
    Augment,
    Code,
    Draws,
    Encoder,
    Encoding,
    Labelled,
    Moments,
    Noise,
    Params,
    Players,
    Prior,
    Told,
    Whole,
)

# What a key of one example is used for. The numbers are part of the seed: changing one changes
# every run.
ENCODER_NOISE, CATEGORY, LOCAL_CODE, PRIOR, PRIOR_LOCAL_CODE, MOMENTS, AUGMENT, RECOVERY = range(8)
LABELLED, LABELLED_AUGMENT, FLIPPED, SHOWN, PERTURBED = range(8, 13)

# Draws of q(z|x) for its moments: the deviation is then known to an eighth, and what that leaves is
# for the discriminator of an adaptive contrast to tell.
DRAWS_FOR_MOMENTS = 32


def to_unit(x: Array) -> Array:
    """uint8 -> f32 in [0, 1]; floats pass as they are."""
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x


def example_keys(key: Array, start: Array | int, count: int) -> Array:
    """Keys [count] of the examples start, start + 1, ... of the global batch."""
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(start + jnp.arange(count))


def purpose_keys(keys: Array, purpose: int) -> Array:
    """Keys [B] for one purpose."""
    return jax.vmap(lambda key: jax.random.fold_in(key, purpose))(keys)


def noise(keys: Array, purpose: int, size: int) -> Array:
    """N(0, I): f32[B, size]."""
    return jax.vmap(lambda key: jax.random.normal(key, (size,)))(purpose_keys(keys, purpose))


def encoder_noise(keys: Array, purpose: int, encoder: Encoder) -> Array:
    """What an encoder that is not perturbed reads: f32[B, noise + perturbations]."""
    return jnp.pad(noise(keys, purpose, encoder.noise), ((0, 0), (0, encoder.perturbations)))


def perturbed(read: Array, keys: Array, purpose: int, encoder: Encoder) -> Array:
    """The same with perturbations."""
    own = noise(purpose_keys(keys, PERTURBED), purpose, encoder.perturbations)
    return jnp.concatenate([read[:, : encoder.noise], own], axis=-1)


def pick(bank: Labelled, keys: Array) -> Labelled:
    """A labelled image for each key [B], drawn uniformly."""
    place = jax.vmap(lambda key: jax.random.randint(key, (), 0, bank.label.shape[0]))
    chosen = place(purpose_keys(keys, LABELLED))
    return Labelled(to_unit(bank.x[chosen]), bank.label[chosen])


def draw_noise(
    networks: Players,
    prior: Prior,
    keys: Array,
    needs: frozenset[str] = frozenset(),
    augment: int = 0,
    shown: int = 0,
    training: bool = False,
) -> Noise:
    """Everything that a batch needs of chance. keys: [B], consumed. needs: of the objective's
    terms. augment, shown: how many numbers a change of an image reads, and one for discriminators.
    training: whether the encoder is perturbed.

    Before the networks and apart from them: XLA sees that two expressions are the same, but not
    that two loops of a random number generator are, and would run the networks for each.
    """
    encoder, generator = networks.encoder, networks.generator

    def read(purpose: int, taught: bool = False) -> Array | None:
        if encoder is None:
            return None
        own = encoder_noise(keys, purpose, encoder)
        return perturbed(own, keys, purpose, encoder) if taught and training else own

    many = None
    if "moments" in needs:
        padding = ((0, 0), (0, encoder.perturbations))
        many = jax.vmap(
            lambda index: jnp.pad(
                jax.vmap(
                    lambda key: jax.random.normal(jax.random.fold_in(key, index), (encoder.noise,))
                )(purpose_keys(keys, MOMENTS)),
                padding,
            )
        )(jnp.arange(DRAWS_FOR_MOMENTS))
    return Noise(
        encoder=read(ENCODER_NOISE),
        category=gumbel(keys, prior.categories) if prior.categories else None,
        local=None if generator is None else noise(keys, LOCAL_CODE, generator.noise),
        prior_local=None if generator is None else noise(keys, PRIOR_LOCAL_CODE, generator.noise),
        prior=prior.sample(purpose_keys(keys, PRIOR)),
        moments=many,
        augment=_uniform(purpose_keys(keys, AUGMENT), augment) if augment else None,
        perturbed=read(ENCODER_NOISE, taught=True),
        recovery=read(RECOVERY) if "recovery" in needs else None,
        flipped=read(FLIPPED, taught=True) if "flipped" in needs else None,
        labelled=(
            _uniform(purpose_keys(keys, LABELLED_AUGMENT), augment)
            if augment and "changed labels" in needs
            else None
        ),
        shown=_uniform(purpose_keys(keys, SHOWN), shown) if shown else None,
    )


def _uniform(keys: Array, size: int) -> Array:
    """Of [-1, 1): f32[B, size]."""
    return jax.vmap(lambda key: jax.random.uniform(key, (size,), minval=-1.0))(keys)


def gumbel(keys: Array, categories: int) -> Array:
    """What a category is drawn with: f32[B, K]."""
    draw_one = jax.vmap(lambda key: jax.random.gumbel(key, (categories,)))
    return draw_one(purpose_keys(keys, CATEGORY))


def code_of(encoding: Encoding, category_noise: Array | None) -> Code:
    """z ~ q(z|x): the encoding's vector, and a category drawn from its logits."""
    if encoding.logits is None:
        return Code(vector=encoding.vector)
    assert category_noise is not None  # the prior has the categories of the encoder
    category = jnp.argmax(encoding.logits + category_noise, axis=-1)
    return Code(
        vector=encoding.vector,
        category=jax.nn.one_hot(category, encoding.logits.shape[-1]),
        probabilities=jax.nn.softmax(encoding.logits),
    )


def aggregate(z: Code, axis_name: str | None = None) -> Aggregated:
    """Means over the global batch, which may be spread over a pmapped axis."""
    found = Aggregated()
    if z.vector is not None:
        second = jnp.matmul(z.vector.T, z.vector, precision="highest") / z.vector.shape[0]
        found = found._replace(mean=jnp.mean(z.vector, axis=0), second=second)
    if z.probabilities is not None:
        found = found._replace(probabilities=jnp.mean(z.probabilities, axis=0))
    return found if axis_name is None else jax.lax.pmean(found, axis_name)


def completed(piece: Whole, whole: Whole) -> Whole:
    """The whole's values with the gradient of a piece: since a whole is the mean of its pieces, the
    mean of a loss's gradients over all pieces is then the gradient of the whole."""
    return jax.tree.map(lambda own, all_: own + jax.lax.stop_gradient(all_ - own), piece, whole)


def hard(z: Code | None) -> Code | None:
    """The same code where the category is already fixed: something was generated from it."""
    return z and z._replace(probabilities=z.category)


def infer(networks: Players, params: Players, keys: Array, x: Array) -> tuple[Code, Encoding]:
    """z ~ q(z|x) and what it was drawn from."""
    encoder = networks.encoder
    encoding = encoder.apply(params.encoder, x, encoder_noise(keys, ENCODER_NOISE, encoder))
    logits = encoding.logits
    return code_of(encoding, None if logits is None else gumbel(keys, logits.shape[-1])), encoding


def moments(networks: Players, params: Players, many: Array, x: Array) -> Moments:
    """Mean and deviation of q(z|x) for each x, from draws of their own. What they standardize must
    not depend on them through the players, so that no gradient passes. many: f32[M, B, noise]."""
    z = jax.lax.stop_gradient(
        jax.vmap(lambda one: networks.encoder.apply(params.encoder, x, one).vector)(many)
    )
    # The constant keeps a deterministic encoder from dividing by zero.
    return Moments(jnp.mean(z, axis=0), jnp.std(z, axis=0, ddof=1) + 1e-4)


def generate(
    networks: Players, params: Players, keys: Array, z: Code, noise_scale: Array | float = 1.0
) -> Array:
    """x ~ p(x|z): f32[B, ...]. `noise_scale` multiplies the local code n."""
    n = noise(keys, LOCAL_CODE, networks.generator.noise)
    return networks.generator.sample(params.generator, z, noise_scale * n)


def log_likelihood(networks: Players, params: Players, z: Code, x: Array) -> Array | None:
    """log p(x|z) in nats: f32[B, C], one column for each category that z could have had."""
    density = networks.generator and networks.generator.log_likelihood
    if density is None:
        return None
    if z.category is None:
        return density(params.generator, z, x)[:, None]

    shape = z.category.shape

    def given(category: Array) -> Array:
        one_hot = jnp.broadcast_to(category, shape)
        return density(params.generator, z._replace(category=one_hot), x)

    return jax.vmap(given, out_axes=1)(jnp.eye(shape[-1]))


def tell(
    networks: Players, params: Players, noise: Noise, labelled: Labelled, augment: Augment | None
) -> Told:
    """What labelled images say. labelled: one image for each example of the batch."""
    x, encoder = labelled.x, networks.encoder
    encoding = encoder.apply(params.encoder, x, noise.encoder)
    assert encoding.logits is not None  # check() refuses the game otherwise
    known = jax.nn.one_hot(labelled.label, encoding.logits.shape[-1])
    z = Code(encoding.vector, known, known)
    changed = x
    if augment is not None and noise.labelled is not None:
        changed = augment.apply(x, noise.labelled)
    encoding = encoder.apply(params.encoder, changed, noise.perturbed)
    return Told(x, z, encoding)


def mean_features(x: Encoding, x_prior: Encoding, axis_name: str | None) -> Array:
    """f32[2, F], over the global batch. No gradient passes through those of x."""
    assert x.features is not None and x_prior.features is not None
    known = jax.lax.stop_gradient(x.features)
    means = jnp.stack([jnp.mean(known, axis=0), jnp.mean(x_prior.features, axis=0)])
    return means if axis_name is None else jax.lax.pmean(means, axis_name)


def draw(
    networks: Players,
    params: Players,
    noise: Noise,
    x: Array,
    noise_scale: Array | float = 1.0,
    axis_name: str | None = None,
    augment: Augment | None = None,
    labelled: Labelled | None = None,
    teacher: Params = None,
    whole: Whole | None = None,
) -> Draws:
    """Everything on the slide, once, and what terms ask for beside it.

    x: f32[B, ...]. axis_name: the pmapped axis over which the global batch is spread, if any.
    augment: how x is changed, where noise is drawn for it. labelled: an image and its label for
    each example. teacher: an averaged encoder's parameters. whole: what is known of the whole
    batch, of which x is a piece.
    """
    encoder, generator, z_prior = networks.encoder, networks.generator, noise.prior
    x_prior, x_hat = None, None
    if generator is not None and noise.prior_local is not None:
        x_prior = generator.sample(params.generator, z_prior, noise_scale * noise.prior_local)
    if encoder is None:
        return Draws(x, None, None, z_prior, x_prior, None, None, None)
    encoding = encoder.apply(params.encoder, x, noise.encoder)
    perturbed_encoding = encoder.apply(params.encoder, x, noise.perturbed)
    z = code_of(encoding, noise.category)
    augmented = None
    if augment is not None and noise.augment is not None:
        changed = augment.apply(x, noise.augment)
        if augment.radius:
            start = noise.augment[:, -math.prod(x.shape[1:]) :].reshape(x.shape)
            changed += worst_change(
                lambda x: encoder.apply(params.encoder, x, noise.encoder),
                changed,
                encoding,
                start,
                augment.radius,
            )
        augmented = encoder.apply(params.encoder, changed, noise.perturbed)
    if generator is not None and noise.local is not None:
        x_hat = generator.sample(params.generator, z, noise_scale * noise.local)
    recovered = None
    if noise.recovery is not None:
        # As it is: a reader that learned to recover would give every image the same code.
        frozen = jax.lax.stop_gradient(params.encoder)
        recovered = encoder.apply(frozen, x_hat, noise.recovery)
    flipped, matched = None, None
    if noise.flipped is not None:
        frozen = jax.lax.stop_gradient(params.encoder)
        flipped = encoder.apply(params.encoder, jax.lax.stop_gradient(x_prior), noise.flipped)
        if encoding.features is not None:
            seen = encoder.apply(frozen, x_prior, noise.flipped)
            matched = mean_features(perturbed_encoding, seen, axis_name)
    own = Whole(aggregate(z, axis_name), matched)
    if whole is not None:
        own = completed(own, whole)
    return Draws(
        x=x,
        z=z,
        x_hat=x_hat,
        z_prior=z_prior,
        x_prior=x_prior,
        encoding=encoding,
        log_likelihood=log_likelihood(networks, params, z, x),
        aggregated=own.aggregated,
        moments=None if noise.moments is None else moments(networks, params, noise.moments, x),
        perturbed=perturbed_encoding,
        augmented=augmented,
        recovered=recovered,
        flipped=flipped,
        taught=None if teacher is None else encoder.apply(teacher, x, noise.encoder),
        told=None if labelled is None else tell(networks, params, noise, labelled, augment),
        matched=own.matched,
    )
