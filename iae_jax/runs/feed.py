"""The training data of a run: its sets, its labelled images, and the batches of each call."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data import ALL, Source, indices, labelled, load, stream
from iae_jax.data.pixels import check_examples
from iae_jax.devices import multihost
from iae_jax.devices.parallel import Chunk, Draw, Sample, place
from iae_jax.errors import InputError
from iae_jax.game.step import init
from iae_jax.runs.config import Config
from iae_jax.runs.data_config import draw_of
from iae_jax.runs.data_sets import also, open_split
from iae_jax.runs.programs import kept
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array, Game, Labelled, TrainState

FINGERPRINT_EXAMPLES = 256


def next_stop(step: int, config: Config) -> int:
    """The step at which the next call must end: a multiple of every interval is a stop.

    Depends on `step` only, so that a resumed run makes the same calls.
    """
    run = config.run
    intervals = (
        run.steps_per_call, run.log_steps, run.validate_steps, run.figure_steps,
        run.checkpoint_steps,
    )  # fmt: skip
    return min(config.steps, *((step // every + 1) * every for every in intervals))


def seeds_of(config: Config) -> range:
    """The seeds that are trained at once."""
    return range(config.seed, config.seed + config.run.seeds)


class LabelledSet(NamedTuple):
    """positions: int64[M] in the training split (with several seeds [S, M]). images: with labels;
    with several seeds each array has a leading axis [S]."""

    positions: np.ndarray
    images: Labelled


def labelled_set(config: Config, source: Source) -> LabelledSet | None:
    """The images whose labels the run may read, drawn for each seed; None for none.

    Raises:
      InputError: there are not enough, or not as many classes as categories.
    """
    data = config.data
    if not data.labels_per_class:
        return None
    found = [
        labelled(source, data.labels_per_class, draw_of(data, seed), config.code.categories)
        for seed in seeds_of(config)
    ]
    if config.run.seeds == 1:
        return LabelledSet(*found[0])
    positions, images = zip(*found, strict=True)
    return LabelledSet(
        np.stack(positions), jax.tree.map(lambda *leaves: jnp.stack(leaves), *images)
    )


class Feed:
    """The data of a run's training, as arguments of its calls.

    sources: by name, "x" first. labelled: see `labelled_set`.
    """

    def __init__(self, config: Config) -> None:
        """Raises: InputError for a set that cannot be read."""
        self._config = config
        self.sources = {
            name: open_split(config, "train", name if name != "x" else "")
            for name in ("x", *also(config))
        }
        self.labelled = labelled_set(config, self.x)
        self._fixed = {
            name: source.anew.source if source.anew else source
            for name, source in self.sources.items()
            if source.sample is None
        }
        most = config.run.resident_megabytes * 2**20
        self._resident = sum(source.nbytes for source in self._fixed.values()) <= most

    @property
    def x(self) -> Source:
        return self.sources["x"]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one example of each source."""
        return {name: source.shape for name, source in self.sources.items()}

    @property
    def samplers(self) -> dict[str, Sample]:
        """Of the sources that are drawn on the device."""
        found: dict[str, Sample] = {}
        for name, source in self.sources.items():
            if source.sample is not None:
                found[name] = _sampler(source.sample, self._config.batch_size)
        return found

    @property
    def drawn_anew(self) -> dict[str, Draw]:
        """How each step draws the examples that it has read, of the sources that have that."""
        return {name: source.anew.draw for name, source in self.sources.items() if source.anew}

    def labelled_positions(self) -> list[Any] | str | None:
        """For run.json."""
        if self.labelled is None:
            return None
        every = self._config.data.labels_per_class == ALL
        return "all" if every else self.labelled.positions.tolist()

    def check_examples(self) -> None:
        """Raises: InputError for images that would be trained on in vain."""
        for name, source in self.sources.items():
            if source.values == "unit":
                check_examples(_some(source), "the data set" if name == "x" else name)

    def some_x(self) -> Array:
        """f32[N, ...], from all over the training set, for an encoder that starts from them."""
        sample = self.x.sample
        drawn = sample and sample(jax.random.key(self._config.seed), FINGERPRINT_EXAMPLES)
        return to_unit(jnp.asarray(_some(self.x) if drawn is None else drawn))

    def fingerprint(self) -> str:
        """A hash of how many examples there are, of which shape, and of some of them; of the labels
        that may be read, and of no other."""
        digest = _digest(self.sources.values())
        if self.labelled is not None:
            digest.update(self.labelled.positions.tobytes())
            digest.update(np.asarray(self.labelled.images.label).tobytes())
        return digest.hexdigest()[:16]

    def chunk(self, game: Game, devices: list[jax.Device]) -> Chunk:
        """The compiled steps that these calls are for."""
        run, anew = self._config.run, self.drawn_anew
        if self.samplers:
            return Chunk(game, devices, run.microbatches, self.samplers, run.seeds > 1, anew)
        drawn = tuple(anew.items())
        return _chunk(game, tuple(devices), run.microbatches, run.seeds > 1, drawn)

    def calls(self, devices: list[jax.Device], start: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """(steps, arguments of the next call), from a step to the run's last."""
        fixed = place(None if self.labelled is None else self.labelled.images, devices)
        sets: dict[str, Array] = {}
        if self._resident:
            sets = {name: place(load(s).x, devices) for name, s in self._fixed.items()}
        streams = {} if self._resident else self._streams(start)
        step, batches = start, dict[str, Any]()
        while step < self._config.steps:
            steps = next_stop(step, self._config) - step
            if self._resident:
                batches = {name: self._positions(name, step, steps) for name in self._fixed}
            else:
                batches = {name: self._read(streams[name], steps) for name in self._fixed}
            yield steps, {"batches": batches, "sets": sets, "labelled": fixed, "steps": steps}
            step += steps

    def _positions(self, name: str, step: int, steps: int) -> np.ndarray:
        """i32[steps, B] in a set, with several seeds [S, steps, B]."""
        config, own = self._config, (multihost.index(), multihost.count())
        size, label = len(self._fixed[name]), "" if name == "x" else name
        found = [
            [
                indices(size, seed, at, config.batch_size, own, label)
                for at in range(step, step + steps)
            ]
            for seed in seeds_of(config)
        ]
        return np.array(found if config.run.seeds > 1 else found[0], np.int32)

    def _streams(self, start: int) -> dict[str, list[Any]]:
        """The examples of each set in the order of each seed, read ahead while a call computes."""
        config, own = self._config, (multihost.index(), multihost.count())
        ahead = config.run.steps_per_call
        return {
            name: [
                stream(
                    source, seed, start, config.batch_size, ahead, own, "" if name == "x" else name
                )
                for seed in seeds_of(config)
            ]
            for name, source in self._fixed.items()
        }

    def _read(self, streams: list[Any], steps: int) -> np.ndarray:
        found = [np.stack([next(one).x for _ in range(steps)]) for one in streams]
        return np.stack(found) if self._config.run.seeds > 1 else found[0]


def images_digest(source: Source) -> str:
    """A hash of how many examples there are, of which shape, and of some of them."""
    return _digest([source]).hexdigest()[:16]


def _digest(sources: Iterable[Source]) -> Any:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{len(source)} {source.shape}".encode())
        digest.update(_some(source).tobytes())
    return digest


def _some(source: Source) -> np.ndarray:
    """x of examples from all over the source."""
    some = np.linspace(0, len(source) - 1, FINGERPRINT_EXAMPLES).astype(int)
    return source.read(np.unique(some)).x


def _sampler(draw: Callable[[Array, int], Array], count: int) -> Sample:
    return lambda key: draw(key, count)


@kept
def _chunk(
    game: Game,
    devices: tuple[jax.Device, ...],
    microbatches: int,
    seeds: bool,
    drawn_anew: tuple[tuple[str, Draw], ...],
) -> Chunk:
    return Chunk(game, devices, microbatches, seeds=seeds, drawn_anew=dict(drawn_anew))


@kept
def _init(game: Game, seeds: bool) -> Callable[[Array, Array | None], TrainState]:
    one = partial(init, game)
    return jax.jit(jax.vmap(one, in_axes=(0, None)) if seeds else one)


def initial_state(game: Game, config: Config, feed: Feed) -> TrainState:
    """The state before the first step; with several seeds each array has a leading axis [S]."""
    encoder = game.networks.encoder
    x = feed.some_x() if encoder is not None and encoder.start is not None else None
    if config.run.seeds == 1:
        return _init(game, False)(jax.random.key(config.seed), x)
    return _init(game, True)(jnp.stack([jax.random.key(seed) for seed in seeds_of(config)]), x)


def check_sources(game: Game, feed: Feed) -> None:
    """Raises: InputError for labels or a further set that are there and that no loss reads."""
    for name in feed.sources.keys() - game.sources:
        raise InputError(f"no loss reads {name!r}: leave it out of data.also")
    if feed.labelled is not None and "labelled" not in game.sources:
        raise InputError(
            "labels are read where auxiliary.labels.weight.value or reconstruction.labelled_share "
            "and data.labels_per_class are set: set both or neither"
        )


def step_of(state: TrainState) -> int:
    """The same for all seeds."""
    return int(np.ravel(jax.device_get(state.step))[0])
