"""How a run uses Orbax: the checkpoint manager, which checkpoints it keeps, its log silenced."""

import logging
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint import checkpoint_managers as policies

Records = Mapping[int, Mapping[str, Any]]  # step -> record of its checkpoint


@contextmanager
def quiet_orbax() -> Iterator[None]:
    """Silences Orbax, which logs dozens of lines for each save; what it raises is not affected.

    When one array of many cannot be written or read, Orbax raises that and closes the event loop
    that the others report to. Each of those would print a traceback; they are dropped too.
    """
    logger, previous = logging.getLogger("absl"), sys.unraisablehook

    def keep(entry: logging.LogRecord) -> bool:
        return "orbax" not in entry.pathname

    def unraisable(entry: Any) -> None:
        if str(entry.exc_value) != "Event loop is closed":
            previous(entry)

    logger.addFilter(keep)
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        logger.removeFilter(keep)
        sys.unraisablehook = previous


def manager(
    directory: epath.Path, keep: int, best: Callable[[Iterable[int]], int | None]
) -> ocp.CheckpointManager:
    """Orbax's manager of a directory that exists.

    Args:
      directory: where the checkpoints are.
      keep: how many of the last ones are kept.
      best: of some steps, the one that is kept too.
    """
    return ocp.CheckpointManager(
        directory,
        options=ocp.CheckpointManagerOptions(
            create=False,
            multiprocessing_options=_this_process_alone(),
            enable_async_checkpointing=True,
            # Damaged metadata of Orbax's own would stop its constructor; nothing here needs them.
            lightweight_initialize=True,
            preservation_policy=policies.AnyPreservationPolicy(
                [policies.LatestN(keep), _KeepBest(best)]
            ),
        ),
    )


def best_step(records: Records, metric: str | None, steps: Iterable[int]) -> int | None:
    """The one of some steps with the lowest metric, the earliest of equals.

    Steps without a record, without the metric or with NaN do not count.
    """
    known = [step for step in steps if step in records]
    scores = [records[step]["metrics"].get(metric, math.nan) for step in known]
    ranked = [(score, step) for score, step in zip(scores, known, strict=True) if score == score]
    return min(ranked)[1] if ranked else None


class _KeepBest:
    """An Orbax preservation policy: Orbax's own BestN of n=1, by records that have been checked."""

    def __init__(self, best: Callable[[Iterable[int]], int | None]) -> None:
        self._best = best

    def should_preserve(
        self, checkpoints: Sequence[policies.PolicyCheckpointInfo], *, context: Any
    ) -> list[bool]:
        best = self._best(info.step for info in checkpoints)
        return [info.step == best for info in checkpoints]


def _this_process_alone() -> ocp.options.MultiprocessingOptions:
    """All processes hold the same state: one of them reads and writes, without a barrier."""
    if jax.process_count() == 1:
        return ocp.options.MultiprocessingOptions()
    own = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process_{own}"
    )
