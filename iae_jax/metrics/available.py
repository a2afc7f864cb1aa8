"""What a model and its data offer to metrics: the words of `Metric.reads`."""

from collections.abc import Iterable
from functools import cached_property

import jax
import numpy as np

from iae_jax.errors import InputError
from iae_jax.metrics.elbo import known_kl
from iae_jax.metrics.measurement import Trained
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, to_unit
from iae_jax.types import Array, Encoding, Params


class Available:
    """Each property is a word that a metric can name in `reads`, and says whether it is there."""

    def __init__(self, trained: Trained, full: bool = True) -> None:
        """full: whether a generator that is slow may be sampled."""
        self._trained, self._full = trained, full
        self._networks = trained.game.networks

    @property
    def encoder(self) -> bool:
        """The game has an encoder."""
        return self._networks.encoder is not None

    @property
    def generator(self) -> bool:
        """The game has a generator, which may be sampled now."""
        generator = self._networks.generator
        return generator is not None and (self._full or not generator.slow)

    @property
    def reconstruction(self) -> bool:
        """x_hat or, of a slow generator, E[x|z]."""
        generator = self._networks.generator
        mean = generator is not None and generator.mean is not None
        return self.encoder and (self.generator or mean)

    @property
    def vector(self) -> bool:
        """The code of x has a vector."""
        return self._encoding.vector is not None

    @property
    def category(self) -> bool:
        """The code of x has a category."""
        return self._encoding.logits is not None

    @property
    def likelihood(self) -> bool:
        """log p(x|z) is known."""
        generator = self._networks.generator
        return generator is not None and generator.log_likelihood is not None

    @property
    def kl(self) -> bool:
        """KL(q(z|x) || p(z)) is known, in closed form or by densities; not of a relaxed category,
        since the generator then reads no sample of q(z|x)."""
        encoder, prior = self._networks.encoder, self._trained.game.prior
        if encoder is None or (self._trained.game.relaxed and self.category):
            return False
        return known_kl(encoder, prior, self._encoding) is not None

    @property
    def labels(self) -> bool:
        """Some examples have a label."""
        return bool((self._trained.all_labels >= 0).any())

    @property
    def pairs(self) -> bool:
        """There is more than one example."""
        return len(self._trained.x) > 1

    @property
    def colour(self) -> bool:
        """x is images with three channels."""
        return self._trained.x.ndim == 4 and self._trained.x.shape[-1] == 3

    @property
    def features(self) -> bool:
        """There is a feature extractor."""
        return self._trained.extractor is not None

    @property
    def logits(self) -> bool:
        """The feature extractor classifies."""
        return self._trained.extractor is not None and self._trained.extractor.classes > 0

    @cached_property
    def _encoding(self) -> Encoding:
        """Shapes of q(z|x) of one example."""
        if self._networks.encoder is None:
            return Encoding()

        def encode(params: Params, x: Array) -> Encoding:
            noise = Noise(example_keys(jax.random.key(0), 0, len(x)))
            return Draws(self._trained.game, params, noise, {"x": to_unit(x)}).encoding

        one = np.zeros((1, *self._trained.x.shape[1:]), self._trained.x.dtype)
        encoding: Encoding = jax.eval_shape(encode, self._trained.params, one)
        return encoding

    def missing(self, reads: Iterable[str]) -> list[str]:
        """Which of these words are not there. Raises: InputError for one that is none."""
        check_words(reads)
        return [name for name in reads if not getattr(self, name)]


def check_words(reads: Iterable[str]) -> None:
    """Raises: InputError for a word that is none of `Available`'s."""
    words = [name for name, one in vars(Available).items() if isinstance(one, property)]
    for name in reads:
        if name not in words:
            raise InputError(f"reads {name!r}: choose from {', '.join(words)}")
