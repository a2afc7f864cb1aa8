"""Several processes of one run, on one machine or many: joining, broadcasting, agreeing, failing.

Built on JAX's distributed runtime. Process 0 reads and writes the run's files and sends the others
what they need. All processes hold the same state, each on its own devices. With a single process
everything here does nothing.
"""

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError, TransientError, first_line

HEARTBEAT_SECONDS = 30  # a process that is silent for this long counts as dead
SHUTDOWN_SECONDS = 30  # how long a process that is done waits for the others
MAX_PORT = 2**16 - 1
# How the messages of errors of XLA's runtime begin.
STATUSES = (
    "UNKNOWN:",
    "INTERNAL:",
    "UNAVAILABLE:",
    "ABORTED:",
    "CANCELLED:",
    "DEADLINE_EXCEEDED:",
    "FAILED_PRECONDITION:",
)


def cores() -> int:
    """How many CPU cores this process may use; where the system says, those it is pinned to."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class PeerLost(RuntimeError):
    """Another process of the run has died, so this one cannot continue."""


def join(
    coordinator: str, processes: int, process: int, seconds: int, late: Callable[[], None]
) -> None:
    """Joins the other processes of the run. Has to come before any other use of JAX.

    What is empty, 0 or -1 is read from the environment, as Slurm, Open MPI and Cloud TPU set it.

    Args:
      coordinator: HOST:PORT of process 0, which listens there.
      processes: how many there are.
      process: which one this is, from 0.
      seconds: how long to wait for the others.
      late: called after that; has to end this process.

    Raises:
      TransientError: JAX's runtime does not start.
      InputError: the arguments or the environment do not fit.
    """
    port = re.fullmatch(r"\S+:([0-9]{1,5})", coordinator)
    if coordinator and not (port and 1 <= int(port[1]) <= MAX_PORT):
        raise InputError(f"--coordinator is HOST:PORT of process 0, not {coordinator!r}")
    # XLA:CPU needs it to reach other processes; other backends do not read it.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # It would take over SIGTERM until `runs.interruption` does.
    jax.config.update("jax_enable_preemption_service", False)
    # By itself, JAX's runtime would end this process with a stack trace, as if another had died.
    timer = threading.Timer(seconds, late)
    timer.daemon = True
    timer.start()
    try:
        jax.distributed.initialize(
            coordinator or None,
            processes or None,
            None if process < 0 else process,
            initialization_timeout=2 * seconds + 60,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
        )
    except (ValueError, TypeError, RuntimeError, IndexError) as error:
        if (line := first_line(error)).startswith(STATUSES):
            raise TransientError(
                f"cannot join the other processes ({line}): run the same commands again, or "
                "use another --coordinator"
            ) from error
        raise InputError(
            f"cannot join the other processes ({first_line(error)}): give --coordinator=HOST:PORT, "
            "--processes and --process, or start the command by Slurm, Open MPI or on a TPU pod"
        ) from error
    finally:
        timer.cancel()


def count() -> int:
    return jax.process_count()


def index() -> int:
    return jax.process_index()


def first() -> bool:
    """Whether this is process 0, which reads and writes the run's files."""
    return index() == 0


def share(tree: Any) -> Any:
    """Process 0's arrays on all processes: numpy arrays, random keys as keys.

    The other processes pass arrays of the same shapes and types, whose values are not used.
    """
    if count() == 1:
        return tree
    from jax.experimental import multihost_utils

    is_key = jax.tree.map(lambda leaf: jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key), tree)
    plain = jax.tree.map(lambda leaf, key: jax.random.key_data(leaf) if key else leaf, tree, is_key)
    host = jax.tree.map(np.asarray, jax.device_get(plain))
    # As bytes: JAX broadcasts by adding zeros, which would lose the sign of -0.
    found = multihost_utils.broadcast_one_to_all(
        jax.tree.map(lambda leaf: np.frombuffer(leaf.tobytes(), np.uint8), host)
    )

    def shared(bits: Any, own: np.ndarray, like: Any, key: bool) -> Any:
        leaf = np.frombuffer(np.asarray(bits).tobytes(), own.dtype).reshape(own.shape)
        if not key:
            return leaf
        return jax.random.wrap_key_data(jnp.asarray(leaf), impl=jax.random.key_impl(like))

    return jax.tree.map(shared, found, host, tree, is_key)


def largest(number: int) -> int:
    """The largest of all processes' numbers. Every process has to call this; all wait here."""
    if count() == 1:
        return number
    from jax.experimental import multihost_utils

    return int(np.max(multihost_utils.process_allgather(np.array(number))))


@contextmanager
def together() -> Iterator[None]:
    """A block that fails on all processes if it fails on one, so that none waits for another.

    Raises:
      What the block raised, on the process where it did.
      TransientError: another process raised one.
      InputError: another process raised anything else.
    """
    error: Exception | None = None
    try:
        yield
    except Exception as raised:
        error = raised
    kinds = (None, TransientError, InputError)
    failed = largest(0 if error is None else 1 if isinstance(error, TransientError) else 2)
    if error is not None:
        raise error
    if kind := kinds[failed]:
        raise kind("another process stopped here: fix what it reports, then run the same command")


@contextmanager
def watched() -> Iterator[None]:
    """A block in which a failed collective is reported as the death of another process.

    Where a backend's collective would wait instead, and where process 0 dies, JAX's runtime ends
    this process itself, with SIGABRT.

    Raises:
      PeerLost: a collective failed.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        line = first_line(error)
        # Reading the result of a failed computation is a ValueError with the same message.
        if count() == 1 or not line.startswith(STATUSES):
            raise
        raise PeerLost(line) from error


def check_same(tree: Any, what: str) -> None:
    """Checks that arrays are bitwise the same on all processes.

    Raises:
      InputError: they are not.
    """
    if count() == 1:
        return
    from jax.experimental import multihost_utils

    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    own = np.frombuffer(digest.digest(), np.uint32)
    all_ = multihost_utils.process_allgather(own)
    other = [i for i, one in enumerate(all_) if not np.array_equal(one, all_[0])]
    if other:
        raise InputError(
            f"{what} are not the same on all processes (processes {other} differ from process 0): "
            "start all with the same command, code and kind of machine"
        )


def leave(code: int) -> None:
    """Ends this process at once. After a peer was lost, an orderly exit would wait for it."""
    os._exit(code)
