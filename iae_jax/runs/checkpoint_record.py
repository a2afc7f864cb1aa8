"""The record of a checkpoint: what each array is and its checksum, beside config and metrics.

Arrays have names such as "params/encoder/params/Dense_0/kernel". Records that were written with old
names are read with today's (`renamed.ARRAYS`).
"""

import json
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.files import checksums
from iae_jax.runs import renamed
from iae_jax.types import TrainState

Record = dict[str, Any]


def named_arrays(state: TrainState) -> dict[str, Any]:
    """The leaves of a state by name; absent players have none."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def host_copies(named: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays as numpy arrays of their own, keys as their data. Copies, since on a CPU device_get
    gives views of memory that the next step may overwrite."""
    host = jax.device_get(
        {name: jax.random.key_data(v) if _is_key(v) else v for name, v in named.items()}
    )
    return {name: np.array(value) for name, value in host.items()}


def make(
    named: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    config: dict[str, Any],
    metrics: Mapping[str, float],
    extra: dict[str, Any],
) -> Record:
    """The record of a state, with a checksum of its own.

    Args:
      named: `named_arrays` of the state.
      arrays: the same on the host.
      config, metrics, extra: what the record keeps beside them, as JSON.
    """
    record = {
        "config": config,
        "metrics": {name: float(value) for name, value in metrics.items()},
        "extra": extra,
        "arrays": {
            name: [checksums.kind(leaf), checksums.of_array(arrays[name])]
            for name, leaf in named.items()
        },
        "keys": {name: str(jax.random.key_impl(v)) for name, v in named.items() if _is_key(v)},
    }
    record = json.loads(json.dumps(record))  # as it will be read back: tuples become lists
    return record | {"sha256": checksums.of_record(record)}


def checked(record: Record) -> Record:
    """A record as it was read from a file, with today's names.

    Raises:
      ValueError: it does not have its own checksum.
    """
    if record["sha256"] != checksums.of_record(record):
        raise ValueError("its record does not have the checksum that it was saved with")
    return record | {name: with_new_names(record[name]) for name in ("arrays", "keys")}


def with_new_names(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names of arrays -> the same by today's names."""
    split = {name: name.partition("/") for name in saved}
    return {
        "".join((renamed.ARRAYS.get(first, first), *rest)): saved[name]
        for name, (first, *rest) in split.items()
    }


def check_template(record: Record, template: TrainState, which: str) -> None:
    """Checks that a checkpoint has the arrays of a template, with their types and shapes.

    Raises:
      InputError: it has others. `which` names the checkpoint.
    """
    saved = {name: kind for name, (kind, _) in record["arrays"].items()}
    wanted = {name: checksums.kind(leaf) for name, leaf in named_arrays(template).items()}
    for name in sorted(saved.keys() | wanted.keys()):
        there, here = saved.get(name, "absent"), wanted.get(name, "absent")
        if there != here:
            raise InputError(
                f"{which} has another config: {name} is {there} there and {here} here; go back to "
                "that config, or choose a new workdir"
            )


def state_of(record: Record, saved: Mapping[str, np.ndarray], template: TrainState) -> TrainState:
    """The state of a checkpoint, on the default device.

    Args:
      record: its record.
      saved: its arrays as they were read, by the names they were saved with.
      template: a state of the same arrays, or its shapes.

    Raises:
      ValueError: an array does not have its checksum.
    """
    arrays, leaves = with_new_names(saved), []
    for name, leaf in named_arrays(template).items():
        # Orbax does not save arrays without elements.
        array = arrays[name] if leaf.size else np.empty(leaf.shape, leaf.dtype)
        if checksums.of_array(array) != record["arrays"][name][1]:
            raise ValueError(f"{name} does not have the checksum that it was saved with")
        # A copy: on a CPU the array might share numpy's memory, and the state is donated.
        value = jnp.array(array, copy=True)
        impl = record["keys"].get(name)
        leaves.append(jax.random.wrap_key_data(value, impl=impl) if impl else value)
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
