"""The nouns of the project: what a game is made of, and what it passes around.

Nothing here computes. A `Game` holds functions and no arrays; a `TrainState` holds arrays and
no functions; so jit, pmap, vmap over seeds, checkpoints and tests need no special care.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax

Array = jax.Array
Params = Any
Metrics = dict[str, Array]
Schedule = Callable[[Array], Array | float]  # step -> value, evaluated inside the jitted step
Weight = float | Schedule


class Players(NamedTuple):
    """One value per player. `None` means that the player is absent, and is the only off switch.

    Used for networks, parameters, optimizers, optimizer states, losses and gradients alike.
    """

    encoder: Any = None
    generator: Any = None
    reconstruction_discriminator: Any = None
    regularization_discriminator: Any = None


PATH = ("encoder", "generator")
DISCRIMINATORS = ("reconstruction_discriminator", "regularization_discriminator")


class Code(NamedTuple):
    """z: a Gaussian-like vector, a category, or both (a product code).

    vector: f32[B, D] a sample, or None.
    category: f32[B, K] the sampled category, one-hot (what the generator reads), or None.
    probabilities: f32[B, K] the distribution that the category was drawn from given everything
        that this sample depends on: q(y|x) for a code of x, the one-hot itself once something has
        been generated from it. Terms take exact expectations over it (no sampling noise, and a
        gradient where a one-hot has none).
    """

    vector: Array | None = None
    category: Array | None = None
    probabilities: Array | None = None


class Encoding(NamedTuple):
    """What an encoder says of x.

    vector: f32[B, D] a sample of q(z|x), or None.
    mean, log_variance: f32[B, D] of a factorized Gaussian q(z|x); None if q(z|x) is implicit.
    logits: f32[B, K] of the category, or None.
    features: f32[B, F] that all of these are linear in (before they are perturbed), or None if
        there are none to speak of.
    """

    vector: Array | None = None
    mean: Array | None = None
    log_variance: Array | None = None
    logits: Array | None = None
    features: Array | None = None


class Labelled(NamedTuple):
    """Images whose labels may be read: all of them, or one drawn for each example of a batch.

    x: u8 or f32[M, ...]. label: i32[M].
    """

    x: Array
    label: Array


class Encoder(NamedTuple):
    """q(z|x): a pure function of x and of a noise vector.

    init: key -> params.
    apply: (params, x f32[B, ...], noise f32[B, noise + perturbations]) -> Encoding.
    noise: size of the noise vector; 0 is the slides' "deterministic".
    perturbations: how many more numbers of N(0, 1) it reads behind its noise in training, which are
        0 otherwise: a regularization, and no part of q(z|x).
    factorized: whether q(z|x) is a factorized Gaussian whose density is known.
    """

    init: Callable[[Array], Params]
    apply: Callable[[Params, Array, Array], Encoding]
    noise: int
    factorized: bool
    perturbations: int = 0


class Generator(NamedTuple):
    """p(x|z): a pure function of the global code z and of a noise vector, the local code n.

    init: key -> params.
    sample: (params, z Code, noise f32[B, noise]) -> x_hat f32[B, ...]. For a likelihood model
        this is the mean of p(x|z).
    noise: size of the local code; 0 is the slides' "deterministic".
    log_likelihood: (params, z Code, x) -> f32[B] in nats, or None if p(x|z) is implicit.
    """

    init: Callable[[Array], Params]
    sample: Callable[[Params, Code, Array], Array]
    noise: int
    log_likelihood: Callable[[Params, Code, Array], Array] | None = None


class Discriminator(NamedTuple):
    """T: how much likelier the numerator is than the denominator, as a logit.

    init: key -> params.
    apply: (params, x | None, vector f32[B, D] | None) -> logits f32[B, C], one for each category
        of the code (C = 1 if the code has none): the whole row at once, so that expectations over
        the category are exact.
    reads: which of "x" and "z" it reads.
    """

    init: Callable[[Array], Params]
    apply: Callable[[Params, Array | None, Array | None], Array]
    reads: tuple[str, ...]


class Prior(NamedTuple):
    """p(z).

    sample: keys [B] -> Code, one key an example.
    standard_normal: whether the vector part is N(0, I), which the analytic KL needs.
    size: D, or 0. categories: K (uniform), or 0.
    """

    sample: Callable[[Array], Code]
    standard_normal: bool
    size: int
    categories: int


class Augment(NamedTuple):
    """A random change of x.

    apply: (x f32[B, ...], f32[B, noise] in [-1, 1]) -> x f32[B, ...].
    noise: how many numbers it reads.
    radius: length of the worst change that is added to it where codes are compared, 0 for none;
        its search begins at the last numbers, one for each value of x.
    """

    apply: Callable[[Array, Array], Array]
    noise: int
    radius: float = 0.0


class Noise(NamedTuple):
    """All randomness of one batch, drawn before any network is read.

    encoder: f32[B, noise]. category: f32[B, K] Gumbel noise. local, prior_local: f32[B, noise], the
    local code of x_hat and of x_prior. prior: z ~ p(z). moments: f32[M, B, noise], the encoder's
    for M draws of q(z|x). augment, labelled: f32[B, noise], uniform in [-1, 1], for changes of x
    and of labelled images. recovery, flipped: f32[B, noise], the encoder's for x_hat and x_prior.
    perturbed: `encoder` with perturbations, where an encoder is taught; `flipped` has them too.
    shown: f32[B, noise], uniform in [-1, 1], for changes of what discriminators are shown. None for
    what is not there or not needed.
    """

    encoder: Array | None
    category: Array | None
    local: Array | None
    prior_local: Array | None
    prior: Code
    moments: Array | None = None
    augment: Array | None = None
    perturbed: Array | None = None
    recovery: Array | None = None
    flipped: Array | None = None
    labelled: Array | None = None
    shown: Array | None = None


class Moments(NamedTuple):
    """Of q(z|x), estimated from several draws. mean, deviation: f32[B, D], without gradient."""

    mean: Array
    deviation: Array


class Aggregated(NamedTuple):
    """What is known of q(z) = E_x q(z|x) from the global batch: means over its examples.

    mean: f32[D] of the vector. second: f32[D, D] of its outer product. probabilities: f32[K],
    q(y) = E_x q(y|x). None for a part that the code does not have.
    """

    mean: Array | None = None
    second: Array | None = None
    probabilities: Array | None = None


class Whole(NamedTuple):
    """What terms read of a whole batch, which may be computed in pieces. Fields as in `Draws`."""

    aggregated: Aggregated | None = None
    matched: Array | None = None


class Told(NamedTuple):
    """What is drawn of labelled images. x: f32[B, ...]. z: their codes, the category given by the
    label. encoding: of x, or of a changed x where the game changes images."""

    x: Array
    z: Code
    encoding: Encoding


class Draws(NamedTuple):
    """One joint sample of every distribution on the slide (None: a player that it needs is absent).

    x ~ p_data, z ~ q(z|x), x_hat ~ p(x|z), z_prior ~ p(z), x_prior ~ p(x|z_prior).
    encoding: what z was drawn from. log_likelihood: f32[B, C] log p(x|z) for each category of z.
    aggregated: of the codes z of the global batch. Only where a term of the objective needs them:
    moments of q(z|x); perturbed, the encoding of x by an encoder as it is in training; augmented,
    that of a changed x; recovered, that of x_hat; flipped,
    that of x_prior, by an encoder that learns from it; taught, that of x by the averaged encoder;
    told, of labelled images; matched: f32[2, F], mean features of x and of x_prior over the global
    batch, by an encoder that does not learn from it.
    """

    x: Array
    z: Code | None
    x_hat: Array | None
    z_prior: Code
    x_prior: Array | None
    encoding: Encoding | None
    log_likelihood: Array | None
    aggregated: Aggregated | None
    moments: Moments | None = None
    perturbed: Encoding | None = None
    augmented: Encoding | None = None
    recovered: Encoding | None = None
    flipped: Encoding | None = None
    taught: Encoding | None = None
    told: Told | None = None
    matched: Array | None = None


class Game(NamedTuple):
    """Everything static about a training: functions, no arrays.

    networks: Players of Encoder, Generator, Discriminator, Discriminator.
    optimizers: Players of optax.GradientTransformation.
    turns: tuple of tuples of player names; the players of one turn move at once.
    noise_scale: the scale of the local code n as a function of the step.
    decay: of the exponential moving average of the encoder and the generator.
    augment: how x is changed for a term that needs it, or None. diffaugment: how every image is
        changed that a discriminator is shown, or None. blur: how far it is blurred then, in pixels,
        as a function of the step, or None.
    """

    networks: Players
    prior: Prior
    objective: Any
    optimizers: Players
    turns: tuple[tuple[str, ...], ...]
    noise_scale: Weight = 1.0
    decay: float = 0.999
    augment: Augment | None = None
    diffaugment: Augment | None = None
    blur: Weight | None = None


@flax.struct.dataclass
class TrainState:
    """Everything that changes in a training: arrays, no functions.

    step: i32[]. key: the run's key; it never changes, step t folds t into it, so a resumed run
    draws the same noise. average: exponential moving average of encoder and generator.
    """

    step: Array
    key: Array
    params: Players
    opt_state: Players
    average: Players
