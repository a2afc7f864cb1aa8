"""Draws: one joint sample of every distribution of the slides, each value computed when it is first
read, from noise, x and the players' parameters."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

import chex
import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.sampling.batch_means import BatchMeans
from iae_jax.sampling.noise import Noise, normal
from iae_jax.sampling.quick_normals import quick_normals
from iae_jax.types import (
    Array,
    Augment,
    Batch,
    Code,
    Discriminator,
    Encoder,
    Encoding,
    Game,
    Generator,
    Params,
    Players,
    Prior,
)

T = TypeVar("T")


@dataclass
class Reads:
    """What has been read of some Draws, by name."""

    players: set[str] = field(default_factory=set)
    batch: set[str] = field(default_factory=set)
    noise: set[str] = field(default_factory=set)
    means: set[str] = field(default_factory=set)


class Draws:
    """One joint sample: x ~ p_data, z ~ q(z|x), x_hat ~ p(x|z), z_prior ~ p(z), x_prior ~
    p(x|z_prior). Everything else that a loss reads is a function of Draws (see `of`)."""

    def __init__(
        self,
        game: Game,
        params: Players,
        noise: Noise,
        batch: Batch,
        step: Array | int = 0,
        local_scale: Array | float = 1.0,
        ema: Players | None = None,
        means: BatchMeans | None = None,
        perturbed: bool = False,
    ) -> None:
        """batch: "x" f32[B, ...], and other sources by their names. local_scale: multiplies the
        local code. ema: averaged parameters. means: of a batch that is cut. perturbed: whether
        `encoding` is of a perturbed x."""
        self.params, self.noise_source = params, noise
        self.step: Array = jnp.asarray(step)
        self.reads = Reads()
        self._game, self._batch, self._local_scale = game, batch, local_scale
        self._ema, self._means, self._perturbed = ema, means or BatchMeans(), perturbed
        self._found: dict[Hashable, Any] = {}

    # ------------------------------------------------------------------- what a game may lack

    def player(self, name: str) -> Any:
        """A player's network. Raises: InputError if the game has none."""
        self.reads.players.add(name)
        network = getattr(self._game.networks, name)
        if network is None:
            raise InputError(f"needs the {name}: give the game one")
        return network

    @property
    def encoder(self) -> Encoder:
        encoder: Encoder = self.player("encoder")
        return encoder

    @property
    def generator(self) -> Generator:
        generator: Generator = self.player("generator")
        return generator

    def discriminator(self, name: str) -> Discriminator:
        discriminator: Discriminator = self.player(name)
        return discriminator

    @property
    def prior(self) -> Prior:
        return self._game.prior

    @property
    def prior_params(self) -> Params:
        """What a prior that learns reads: the parameters of the generator's player."""
        if self.prior.init is None:
            return None
        self.player("generator")
        return self.params.generator

    @property
    def augment(self) -> Augment:
        """How x is changed. Raises: InputError if the game does not say."""
        if self._game.augment is None:
            raise InputError("compares x with a changed x: give the game an augment")
        return self._game.augment

    @property
    def diffaugment(self) -> Augment | None:
        return self._game.diffaugment

    @property
    def relaxed(self) -> bool:
        return self._game.relaxed

    @property
    def ema(self) -> Params:
        """The averaged parameters of the encoder. Raises: InputError if there are none."""
        if self._ema is None:
            raise InputError("reads the averaged encoder: set the game's ema_decay above 0")
        return self._ema.encoder

    def data(self, name: str) -> Array:
        """A named source of the batch. Raises: InputError if the batch has none."""
        self.reads.batch.add(name)
        if name not in self._batch:
            labels = name in ("labelled", "labels")
            fix = "set data.labels_per_class" if labels else f"set data.also={name}=SET"
            there = ", ".join(self._batch)
            raise InputError(
                f"needs {name!r} in the batch, which has {there}: {fix}, or give it one"
            )
        return self._batch[name]

    # --------------------------------------------------------------------- how things are drawn

    def of(self, draw: Callable[["Draws"], T]) -> T:
        """draw(self), computed once: how a loss reads a sample that is not of the slides' list.

        draw: a function, or a frozen dataclass with `__call__`, which is known by its equality.
        """
        if draw not in self._found:
            self._found[draw] = draw(self)
        found: T = self._found[draw]
        return found

    def noise(self, name: str, sample: Callable[[Array], T]) -> T:
        """See `Noise`."""
        self.reads.noise.add(name)
        return self.noise_source(name, sample)

    def batch_mean(self, name: str, value: T) -> T:
        """A tree of means over the examples at hand -> the same over the global batch.

        Raises: InputError if another one has been read by this name.
        """
        if name in self.reads.means:
            raise InputError(f"two means are called {name!r}: rename one, or read both by draws.of")
        self.reads.means.add(name)
        return self._means(name, value)

    def batch_of(self, name: str, value: Array) -> Array:
        """Values of the examples at hand, [B, ...] -> those of the global batch, part by part.

        Raises: InputError, as `batch_mean`.
        """
        found = self.batch_mean(name, self._means.spread(value))
        return found.reshape(-1, *value.shape[1:])

    @property
    def batch_size(self) -> int:
        """Of the global batch."""
        return self.x.shape[0] * self._means.parts

    def encoder_noise(self, name: str = "encoder", perturbed: bool = False) -> Array:
        """What an encoder reads beside x: f32[B, noise + perturbations]."""
        encoder = self.encoder
        own = self.noise(name, normal(encoder.noise))
        if not perturbed or not encoder.perturbations:
            return jnp.pad(own, ((0, 0), (0, encoder.perturbations)))
        more = self.noise(f"perturbation/{name}", quick_normals(encoder.perturbations))
        return jnp.concatenate([own, more], axis=-1)

    def encode(
        self,
        x: Array,
        noise: str = "encoder",
        params: Params = None,
        perturbed: bool = False,
        fixed_model: bool = False,
    ) -> Encoding:
        """q(z|x) of any x. noise: its name. params: of the encoder, instead of its own. perturbed:
        as an encoder is in training (pixel noise, dropout). fixed_model: p(x, z), if the encoder
        reads it, passes no gradient to its parameters."""
        own = self.params.encoder if params is None else params
        return self.encoded(own, x, self.encoder_noise(noise, perturbed), fixed_model)

    def encoded(
        self, params: Params, x: Array, numbers: Array, fixed_model: bool = False
    ) -> Encoding:
        """q(z|x) of any x by any parameters and numbers, see `encoder_noise` and `encode`."""
        encoder = self.encoder
        if not encoder.reads_model:
            return encoder.apply(params, x, numbers)
        return encoder.apply(params, x, numbers, partial(self.energy, x, fixed=fixed_model))

    def energy(self, x: Array, vector: Array, fixed: bool = False) -> Array:
        """-log p(x, z) in nats of x and any vector of z: f32[B]. fixed: no gradient passes to the
        parameters.

        Raises: InputError if one of the two densities is unknown.
        """
        likelihood, density = self.generator.log_likelihood, self.prior.log_density
        if likelihood is None or density is None:
            raise InputError(
                "reads p(x, z): give the generator a likelihood, and the prior a density"
            )
        if self.prior.categories:
            raise InputError("reads p(x, z) of a vector alone: set code.categories=0")
        z, params = Code(vector=vector), (self.params.generator, self.prior_params)
        own, of_prior = jax.lax.stop_gradient(params) if fixed else params
        return -likelihood(own, z, x) - density(of_prior, z)

    def decode(self, z: Code, noise: str) -> Array:
        """x ~ p(x|z) of any z: f32[B, ...]. noise: the name of its local code."""
        generator = self.generator
        local = self.noise(noise, normal(generator.noise))
        return generator.sample(self.params.generator, z, self._local_scale * local)

    def code_of(self, encoding: Encoding, noise: str = "category") -> Code:
        """z ~ q(z|x): the encoding's vector, and a category drawn from its logits."""
        if encoding.logits is None:
            return Code(vector=encoding.vector)
        categories = encoding.logits.shape[-1]
        gumbel = self.noise(noise, lambda key: jax.random.gumbel(key, (categories,)))
        probabilities = jax.nn.softmax(encoding.logits)
        drawn = jnp.argmax(encoding.logits + gumbel, axis=-1)
        one_hot = jax.nn.one_hot(drawn, categories)
        return Code(encoding.vector, probabilities if self.relaxed else one_hot, probabilities)

    # ------------------------------------------------------- the slides' list, and nothing else

    @property
    def x(self) -> Array:
        """x ~ p_data: f32[B, ...]."""
        return self.data("x")

    @cached_property
    def encoding(self) -> Encoding:
        """q(z|x)."""
        return self.encode(self.x, perturbed=self._perturbed)

    @cached_property
    def z(self) -> Code:
        """z ~ q(z|x)."""
        return self.code_of(self.encoding)

    @cached_property
    def x_hat(self) -> Array:
        """x_hat ~ p(x|z), a reconstruction: f32[B, ...]."""
        x_hat = self.decode(self.z, "local")
        chex.assert_equal_shape([x_hat, self.x])
        return x_hat

    @cached_property
    def z_prior(self) -> Code:
        """z ~ p(z)."""
        prior = self.prior
        z = prior.sample(self.prior_params, self.noise("prior", prior.draw))
        if not isinstance(z, Code):
            raise InputError(f"has a prior that samples {type(z).__name__}: return a Code")
        for part, name, size in (
            (z.vector, "vector", prior.size),
            (z.category, "category", prior.categories),
        ):
            found = 0 if part is None else part.shape[-1]
            if found != size:
                raise InputError(f"has a prior whose {name} has {found} components, and not {size}")
        return z

    def z_prior_of(self, category: Array | int) -> Code:
        """z ~ p(z) given its category: one of all examples, or i32[B]."""
        prior, z = self.prior, self.z_prior
        one_hot = jax.nn.one_hot(category, prior.categories)
        one_hot = jnp.broadcast_to(one_hot, (*self.noise_source.keys.shape, prior.categories))
        if prior.given is not None:
            numbers = self.noise("prior", prior.draw)
            return prior.given(self.prior_params, numbers, one_hot)
        return Code(z.vector, one_hot, one_hot)

    @cached_property
    def x_prior(self) -> Array:
        """x ~ p(x|z), z ~ p(z), a sample of the model: f32[B, ...]."""
        return self.decode(self.z_prior, "prior_local")
