"""The data types of the project: what a game is made of, and what it passes around.

Nothing here computes. A `Game` holds functions and no arrays; a `TrainState` holds arrays and no
functions. So jit, pmap, vmap over seeds, checkpoints and tests need no special care.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import flax.struct
import jax
import jax.numpy as jnp

from iae_jax.errors import InputError, meant

Array = jax.Array
Params = Any  # a tree of arrays, which differs between networks
Metrics = dict[str, Array]
Schedule = Callable[[Array], Array | float]  # step -> value, evaluated inside the jitted step
Scheduled = float | Schedule
Energy = Callable[[Array], Array]  # vector f32[B, D] of z -> -log p(x, z) f32[B] in nats
Batch = Mapping[str, Array]  # name of a source -> f32[B, ...]; "x" is always there

E = TypeVar("E")
G = TypeVar("G")
D = TypeVar("D")


class Players(NamedTuple, Generic[E, G, D]):
    """One value per player. `None` means that the player is absent, and is the only off switch.

    Used for networks, parameters, optimizers, optimizer states, losses and gradients alike. The
    generator's player is the model p(x, z) = p(z) p(x|z): a prior that learns keeps its parameters
    there.
    """

    encoder: E | None = None
    generator: G | None = None
    reconstruction_discriminator: D | None = None
    regularization_discriminator: D | None = None


AUTOENCODER = ("encoder", "generator")
DISCRIMINATORS = ("reconstruction_discriminator", "regularization_discriminator")


class Code(NamedTuple):
    """z: a Gaussian-like vector, a category, or both (a product code).

    vector: f32[B, D], a sample, or None.
    category: f32[B, K], what the generator reads: the sampled category, one-hot (a relaxed code:
        the probabilities), or None.
    probabilities: f32[B, K], the distribution that the category was drawn from given everything
        that this sample depends on: q(y|x) for a code of x, the one-hot itself once something has
        been generated from it. Terms take exact expectations over it (no sampling noise, and a
        gradient where a one-hot has none).
    """

    vector: Array | None = None
    category: Array | None = None
    probabilities: Array | None = None

    @property
    def numbers(self) -> Array:
        """f32[B, D + K], what a network reads: each of unit variance, as the vector has."""
        parts = [] if self.vector is None else [self.vector]
        if self.category is not None:
            parts.append(jnp.sqrt(self.category.shape[-1]) * self.category)
        return jnp.concatenate(parts, axis=-1)


class Encoding(NamedTuple):
    """The posterior q(z|x) of a batch, and a sample of it.

    vector: f32[B, D], a sample of q(z|x), or None.
    mean, log_variance: f32[B, D] of a factorized Gaussian q(z|x); None for any other.
    logits: f32[B, K] of the category, or None.
    features: f32[B, F], of which all these are linear functions (before perturbations), or None.
    log_density: f32[B], log q(z|x) of `vector` in nats, or None if the density is unknown; or a
        number with which p(x, z) / q(z|x) has the mean p(x) all the same.
    """

    vector: Array | None = None
    mean: Array | None = None
    log_variance: Array | None = None
    logits: Array | None = None
    features: Array | None = None
    log_density: Array | None = None


class Labelled(NamedTuple):
    """The images whose labels may be read. x: u8 or f32[M, ...]. label: i32[M]."""

    x: Array
    label: Array


class Encoder(NamedTuple):
    """q(z|x): a pure function of x and of a noise vector.

    init: key -> params.
    apply: (params, x f32[B, ...], noise f32[B, noise + perturbations]) -> Encoding; with energy as
        the last argument, if it reads the model.
    noise: size of the noise vector; 0 is the slides' "deterministic".
    perturbations: how many more numbers of N(0, 1) follow the noise in training, which are 0
        otherwise: a regularization, and no part of q(z|x).
    factorized: whether q(z|x) is a factorized Gaussian whose mean and variance are known.
    reads_model: whether it is given the energy -log p(x, z) of each x.
    start: (key, x, noise) -> params that suit these x of the training set, in place of init's, or
        None.
    """

    init: Callable[[Array], Params]
    apply: Callable[..., Encoding]
    noise: int
    factorized: bool = False
    perturbations: int = 0
    reads_model: bool = False
    start: Callable[[Array, Array, Array], Params] | None = None


class Generator(NamedTuple):
    """p(x|z): a pure function of the global code z and of a noise vector, the local code n.

    init: key -> params.
    sample: (params, z Code, noise f32[B, noise]) -> x_hat f32[B, ...]; the mean of p(x|z) for a
        factorized likelihood without noise.
    noise: size of the local code; 0 is the slides' "deterministic".
    log_likelihood: (params, z Code, x) -> f32[B] in nats, or None if p(x|z) is implicit.
    mean: (params, z Code) -> f32[B, ...], E[x|z], or None if it is not known.
    factorized: whether the likelihood is a product over the values of x given z, so that there is
        nothing for a local code to say. An autoregressive decoder's is not: it samples from noise
        and has a likelihood.
    slow: whether `sample` costs many passes of the network: then it is called where samples are
        asked for, and not to follow a training.
    draw: (params, z Code, key) -> x ~ p(x|z) f32[B, ...] of a factorized likelihood, whose `sample`
        is its mean; or None.
    """

    init: Callable[[Array], Params]
    sample: Callable[[Params, Code, Array], Array]
    noise: int
    log_likelihood: Callable[[Params, Code, Array], Array] | None = None
    mean: Callable[[Params, Code], Array] | None = None
    factorized: bool = True
    slow: bool = False
    draw: Callable[[Params, Code, Array], Array] | None = None


class Discriminator(NamedTuple):
    """T: how much likelier the numerator is than the denominator, as a logit.

    init: key -> params.
    apply: (params, x | None, vector f32[B, D] | None) -> logits f32[B, C], one for each category
        of the code (C = 1 if the code has none): the whole row at once, so that expectations over
        the category are exact. With heads, which of them is the last argument, 0 if left out.
    reads: which of "x" and "z" it reads.
    heads: what each head reads, of a term of several pairings; else ().
    """

    init: Callable[[Array], Params]
    apply: Callable[..., Array]
    reads: tuple[str, ...]
    heads: tuple[tuple[str, ...], ...] = ()


class Prior(NamedTuple):
    """p(z): a pure function of random numbers, with a density where it is known.

    draw: key -> the random numbers of one example, a tree of arrays.
    sample: (params, numbers [B, ...]) -> Code. Of a fixed prior params is not read; of a learned
        one it is that of the generator's player (see `priors.with_prior`).
    size: D of the vector, or 0. categories: K, or 0.
    standard_normal: whether the vector is N(0, I), which the analytic KL needs.
    log_density: (params, z Code) -> f32[B], log p(z) of the vector (given the category, if it
        depends on one) in nats, or None if unknown.
    init: key -> params of a prior that learns, or None.
    log_probabilities: params -> f32[K] of the categories, or None: they are uniform.
    given: (params, numbers, category f32[B, K], one-hot) -> the Code of that category, if the
        vector depends on it, or None.
    """

    draw: Callable[[Array], Any]
    sample: Callable[[Params, Any], Code]
    size: int
    categories: int = 0
    standard_normal: bool = False
    log_density: Callable[[Params, Code], Array] | None = None
    init: Callable[[Array], Params] | None = None
    log_probabilities: Callable[[Params], Array] | None = None
    given: Callable[[Params, Any, Array], Code] | None = None


class Augment(NamedTuple):
    """A random change of x.

    apply: (x f32[B, ...], f32[B, noise] in [-1, 1], step i32[]) -> x f32[B, ...].
    noise: how many numbers it reads.
    vat_radius: length of the change that virtual adversarial training adds where codes are
        compared, 0 for none; its search begins at the last numbers, one for each value of x.
    """

    apply: Callable[[Array, Array, Array], Array]
    noise: int
    vat_radius: float = 0.0


Networks = Players[Encoder, Generator, Discriminator]


class Turn(NamedTuple):
    """The players that move at once, and by which losses.

    movers: names of players.
    losses: "reconstruction", "regularization" and names of auxiliary losses; none are all.
    """

    movers: tuple[str, ...]
    losses: tuple[str, ...] = ()

    def has(self, loss: str) -> bool:
        return not self.losses or loss in self.losses


class Game(NamedTuple):
    """Everything static about a training: functions, no arrays. See `game.check`.

    optimizers: Players of optax.GradientTransformation; `turn` is the number of the turn in a step.
    turns: of a step, one after the other.
    local_scale: the scale of the local code n as a function of the step.
    ema_decay: of the exponential moving average of encoder and generator, 0 for none.
    augment: how x is changed for the losses that compare x with a changed x, or None.
    diffaugment: how every image is changed that a discriminator reads, or None.
    relaxed: whether generator and discriminators read q(y|x) itself in place of a category.
    denoising: whether x is perturbed wherever it is encoded in training.
    labels_in_turn: whether the images with labels are read in turn; else they are drawn.
    sources: what the losses read of a batch, by name; filled in by `check`.
    """

    networks: Networks
    prior: Prior
    objective: Any  # objectives.grid.Objective, which this file may not import
    optimizers: Players[Any, Any, Any]
    turns: tuple[Turn, ...] = (Turn((*AUTOENCODER, *DISCRIMINATORS)),)
    local_scale: Scheduled = 1.0
    ema_decay: float = 0.999
    augment: Augment | None = None
    diffaugment: Augment | None = None
    relaxed: bool = False
    denoising: bool = False
    labels_in_turn: bool = False
    sources: frozenset[str] = frozenset({"x"})


@flax.struct.dataclass
class TrainState:
    """Everything that changes in a training: arrays, no functions.

    step: i32[]. key: the run's key; it never changes, step t folds t into it, so a resumed run
    draws the same noise. ema: exponential moving average of encoder and generator.
    """

    step: Array
    key: Array
    params: Players[Params, Params, Params]
    opt_state: Players[Any, Any, Any]
    ema: Players[Params, Params, Params]


class Section:
    """A part of a config: a dataclass of which nothing but its fields can be set.

    Its docstring has a text for each field, `name: text` or `name, name: text`, from which
    `runs.config_help` is made.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __setattr__(self, name: str, value: Any) -> None:
        known = self.__dataclass_fields__
        if name not in known:
            raise InputError(
                f"there is no config field {name!r} in {type(self).__name__}"
                f"{meant(name, known)}: it has {', '.join(known)}"
            )
        super().__setattr__(name, value)
