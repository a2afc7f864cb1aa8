"""Compiled programs and the games that they are of, kept for the next run of this process: of equal
configs, a sweep over seeds or an evaluation after a training compiles nothing twice."""

import copy
import dataclasses
import functools
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from iae_jax.runs.config import Config, Run
from iae_jax.runs.data_config import Data
from iae_jax.types import Game

T = TypeVar("T")
Shape = tuple[int, ...]

MAX_KEPT = 16  # of each kind: an old program leaves for a new one


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a game depends on, as a key: its config, without the run and without where its data are,
    and what is known of the data. See `build.build`.

    keeps: whether an equal one asks for the same game. Code that the config names (MODULE:NAME) may
    have changed.
    """

    config: Config
    shape: Shape
    values: str
    also: tuple[tuple[str, Shape], ...]

    @classmethod
    def of(cls, config: Config, shape: Shape, values: str, also: Mapping[str, Shape]) -> "Asked":
        given = config.data
        data = Data(labels_per_class=given.labels_per_class, labels_in_turn=given.labels_in_turn)
        own = dataclasses.replace(config, seed=0, data=data, metrics=(), run=Run())
        further = tuple((name, tuple(one)) for name, one in also.items())
        # A copy: the game holds its losses, and who gave the config may change it.
        return cls(copy.deepcopy(own), tuple(shape), values, further)

    @property
    def keeps(self) -> bool:
        return ":" not in repr(self.config)

    def __hash__(self) -> int:
        return hash((repr(self.config), self.shape, self.values, self.also))


class _Same:
    """A game as a key. Not all of its losses can be hashed: it is equal to itself alone."""

    def __init__(self, game: Game) -> None:
        self.game = game

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.game is other.game

    def __hash__(self) -> int:
        return id(self.game)


def kept(make: Callable[..., T]) -> Callable[..., T]:
    """A function of a game and of hashable arguments that makes each program once.

    The program must depend on nothing else, and hold no array.
    """

    @functools.lru_cache(maxsize=MAX_KEPT)
    def once(same: _Same, *arguments: Hashable) -> T:
        return make(same.game, *arguments)

    @functools.wraps(make)
    def found(game: Game, *arguments: Hashable) -> T:
        return once(_Same(game), *arguments)

    return found
