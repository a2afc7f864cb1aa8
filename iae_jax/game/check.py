"""Whether a game can be played: its terms are traced once, and what they read is compared with what
the game has."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.objectives.terms import Discriminate, nothing
from iae_jax.sampling.draws import Draws, Reads
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import AUTOENCODER, DISCRIMINATORS, Array, Game, Players, Turn

Shapes = Mapping[str, jax.ShapeDtypeStruct]  # of a batch
BATCH = 64  # of a batch that is not computed


def inspect(game: Game, batch: Shapes) -> tuple[dict[str, Reads], Players]:
    """What each term of the objective reads, by the term's name, and the players that some term
    reads, the others None. Computes nothing.

    Args:
      game: with its players, or with functions that make them in their place: one is called when
        a term first reads that player.
      batch: shapes and types of the batch's sources.

    Raises:
      InputError: a term reads what the game or the batch lacks; the message names both.
    """
    lazy = _Lazy(game.networks)
    seen: Game = game._replace(networks=lazy)  # type: ignore[arg-type]
    objective, found = game.objective, {}
    parts = [(term, role) for term, role in zip(objective[:2], DISCRIMINATORS, strict=True)]
    for term, role in [*parts, *((loss, None) for loss in objective.auxiliary)]:
        reads = Reads()

        def trace(term: Any = term, role: str | None = role, reads: Reads = reads) -> Any:
            zeros = {name: jnp.zeros(one.shape, one.dtype) for name, one in batch.items()}
            noise = Noise(example_keys(jax.random.key(0), 0, len(zeros["x"])))
            ema = lazy.params if game.ema_decay else None
            step = jnp.zeros((), jnp.int32)
            draws = Draws(seen, lazy.params, noise, zeros, step, ema=ema)  # type: ignore[arg-type]
            draws.reads = reads
            if role is None:
                return term.loss(draws)
            return term.loss(draws, _stub_discriminator(game, draws, role) if term.reads else None)

        try:
            loss = jax.eval_shape(trace)
        except InputError as error:
            raise InputError(f"{term.name} {error}") from error
        except AssertionError as error:  # of Chex, about shapes
            raise InputError(f"{term.name}: {' '.join(str(error).split())}") from error
        if role is None:
            _check_loss(term.name, loss, batch)
        found[term.name] = reads
    return found, lazy.read


def _check_loss(name: str, loss: Any, batch: Shapes) -> None:
    """Raises: InputError if what an auxiliary loss returns is not a number for each example, or one
    for all."""
    size = batch["x"].shape[0]
    shape: Any = getattr(loss, "shape", None)
    dtype: Any = getattr(loss, "dtype", None)
    if shape not in ((), (size,)) or not jnp.issubdtype(dtype, jnp.floating):
        what = f"{dtype}{list(shape)}" if shape is not None else type(loss).__name__
        raise InputError(f"the loss {name} is {what}: return floats [{size}], or one for the batch")


def _stub_discriminator(game: Game, draws: Draws, role: str) -> Discriminate:
    """In the place of a discriminator: of its logits only the shape matters here."""
    reads = draws.discriminator(role).reads
    outputs = (game.prior.categories if "z" in reads and not game.relaxed else 0) or 1

    def apply(x: Array | None, vector: Array | None, head: int = 0) -> Array:
        return jnp.zeros((draws.x.shape[0], outputs))

    return apply


class _LazyParams:
    """Parameters of zeros, made when they are read."""

    def __init__(self, players: "_Lazy") -> None:
        self._players = players
        self._shapes: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        network = getattr(self._players, name)
        if network is None:
            return None
        if name not in self._shapes:
            self._shapes[name] = jax.eval_shape(network.init, jax.random.key(0))
        # Inside of eval_shape, where nothing is allocated.
        return jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), self._shapes[name])


class _Lazy:
    """Players that are made when they are read."""

    def __init__(self, players: Players) -> None:
        self._players = players
        self.params = _LazyParams(self)

    def __getattr__(self, name: str) -> Any:
        made = getattr(self._players, name)
        if callable(made):
            made = made()
        self.__dict__[name] = made
        return made

    @property
    def read(self) -> Players:
        """Those that were."""
        return Players(*(self.__dict__.get(name) for name in Players._fields))


def check(game: Game, x: tuple[int, ...] | Shapes) -> Game:
    """The game, if it can be played on x of this shape (or on a batch of several sources).

    Raises:
      InputError: it lacks a player, an optimizer or a source that a term reads, or has a player
        that no term trains. The message names the fix.
    """
    one = jax.ShapeDtypeStruct((BATCH, *x), jnp.float32) if isinstance(x, tuple) else None
    batch: Shapes = {"x": one} if one else x  # type: ignore[assignment]
    check_players(game)
    reads = inspect(game, batch)[0]
    check_turns(game, reads)
    return checked(game, reads)


def checked(game: Game, reads: Mapping[str, Reads]) -> Game:
    """The game with its `sources`. reads: what its terms read. Raises: InputError, as `check`."""
    players = {player for one in reads.values() for player in one.players}
    if not players:
        raise InputError(NOTHING_TRAINS)
    for name in ("encoder", "generator"):
        if getattr(game.networks, name) is not None and name not in players:
            raise InputError(f"no term of this objective trains the {name}: remove it")
    generator = game.networks.generator
    if generator and generator.log_likelihood and generator.factorized and generator.noise:
        raise InputError(
            "a generator with a factorized likelihood reads no local code: set its noise to 0, or "
            "its likelihood to none"
        )
    if game.prior.init and generator is None:
        raise InputError("a prior that learns is part of the generator's player: give the game one")
    sources = {source for one in reads.values() for source in one.batch}
    return game._replace(sources=frozenset({"x", *sources}))


NOTHING_TRAINS = (
    "no term of this objective trains anything: set reconstruction.kind, or "
    "auxiliary.labels.weight.value and data.labels_per_class"
)


def check_turns(game: Game, reads: Mapping[str, Reads]) -> None:
    """Raises: InputError if a player never moves by a loss that reads it, or a discriminator moves
    in a turn that leaves its term out. reads: what the losses read, see `inspect`."""
    if any(not isinstance(turn, Turn) for turn in game.turns):
        raise InputError("turns are of iae_jax.Turn: write Turn((PLAYER, ...)) for each")
    roles = dict(zip(("reconstruction", "regularization"), DISCRIMINATORS, strict=True))
    terms = dict(zip(roles, game.objective[:2], strict=True))
    names = {part: term.name for part, term in terms.items() if term.name != nothing().name}
    names |= {loss.name: loss.name for loss in game.objective.auxiliary}
    for part, name in names.items():
        for player in AUTOENCODER:
            if player not in reads[name].players or getattr(game.networks, player) is None:
                continue
            moves = [turn for turn in game.turns if player in turn.movers]
            # A fixed player, which moves in no turn, is somebody's choice.
            if moves and not any(turn.has(part) for turn in moves):
                raise InputError(
                    f"no turn moves the {player} by the loss {part}: leave it out, or choose other "
                    "turns"
                )
    for part, role in roles.items():
        for turn in game.turns:
            if role in turn.movers and not turn.has(part):
                raise InputError(f"the {role} moves in a turn without its {part}: name it there")


def check_players(game: Game) -> None:
    """Raises: InputError if a discriminator or an optimizer is missing, or is one too many."""
    for role, term in zip(DISCRIMINATORS, game.objective[:2], strict=True):
        discriminator = getattr(game.networks, role)
        if term.reads and discriminator is None:
            raise InputError(
                f"{term.name} is adversarial: give the game a {role} that reads "
                f"{' and '.join(term.reads)}"
            )
        if not term.reads and discriminator is not None:
            raise InputError(f"{term.name} needs no discriminator: remove the {role}")
        if discriminator is not None and tuple(discriminator.reads) != term.reads:
            raise InputError(
                f"{term.name} has a discriminator of {' and '.join(term.reads)}; the {role} "
                f"reads {' and '.join(discriminator.reads)}: build it for the former"
            )
        if discriminator is not None and tuple(discriminator.heads) != term.heads:
            raise InputError(
                f"{term.name} has {len(term.heads)} heads of a discriminator, and the {role} "
                f"{len(discriminator.heads)}: build it by networks.with_heads"
            )
    for name in Players._fields:
        if getattr(game.networks, name) is not None and getattr(game.optimizers, name) is None:
            raise InputError(f"the {name} has no optimizer: give it one")
    names = [loss.name for loss in game.objective.auxiliary]
    if len(set(names)) < len(names):
        raise InputError(f"two auxiliary losses have one name: {', '.join(names)}")
    for name in names:
        # The metrics of terms and gradients begin so.
        if name.startswith(("reconstruction", "regularization")) or name.endswith("gradient_norm"):
            raise InputError(f"an auxiliary loss is called {name}, as a metric is: rename it")
