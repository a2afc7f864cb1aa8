"""The files of feature classifiers: those of this package, and a cache of those that this user has
trained. Each is believed by its SHA-256 alone, which is written in this module or, of the cache,
noted in another place, ~/.local/state/iae_jax/classifiers: who hands over a cache, or a run that
names one, has no say there."""

import hashlib
import io
import json
import logging
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from iae_jax.errors import InputError
from iae_jax.files.atomic import new_file
from iae_jax.files.own_folder import own_folder
from iae_jax.types import Params

logger = logging.getLogger(__name__)

Metadata = dict[str, Any]

SHIPPED = Path(__file__).parent / "classifiers"
SHA256 = {
    "mnist-b5229dd4a49a.npz": "f99037c2411b8e6c8ad4b0a022e5648933ae83fabb8be80ad192f42a873dc1ef",
    "mnist-f2c933c268a1.npz": "3cfebce7f97629c8a43ad0353c29d6aa747dfe5de809be9434c532f29d15969a",
}


class Found(NamedTuple):
    params: Params
    metadata: Metadata


def shipped(name: str, shapes: Params) -> Found | None:
    """The package's classifier of this file name, or None.

    Raises: InputError if the file has been changed.
    """
    if name not in SHA256:
        return None
    path = SHIPPED / name
    data = path.read_bytes() if path.is_file() else b""
    found = _read(data, shapes) if _sha256(data) == SHA256[name] else None
    if found is None:
        raise InputError(f"{path} is not the file that iae_jax was made with: install it again")
    return found


def cached(path: Path, shapes: Params) -> Found | None:
    """A classifier of the cache, or None, after a line, if this user has not trained it here."""
    if not path.exists():
        return None
    data = path.read_bytes()
    found = _read(data, shapes) if (known() / _sha256(data)).exists() else None
    if found is None:
        logger.warning(
            "the cached feature classifier %s is damaged, or was not trained by this user: "
            "training it again",
            path,
        )
    return found


def save(path: Path, params: Params, metadata: Metadata) -> None:
    """Writes one to the cache, atomically, and notes its SHA-256 first."""
    arrays = {f"leaf_{i}": leaf for i, leaf in enumerate(jax.tree.leaves(params))}
    file = io.BytesIO()
    np.savez(file, metadata=np.array(json.dumps(metadata)), **arrays)
    (known() / _sha256(file.getvalue())).touch()
    with new_file(path) as part:
        part.write(file.getvalue())


def known() -> Path:
    """The folder of empty files, each named by the SHA-256 of a classifier that this user has
    trained. Raises: InputError if it cannot be made, or is another's."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    folder = state / "iae_jax" / "classifiers"
    own_folder(folder, "XDG_STATE_HOME")
    return folder


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(data: bytes, shapes: Params) -> Found | None:
    """What a file that is believed has; None if it is of another network than today's."""
    leaves, tree = jax.tree.flatten(shapes)
    # A pickle inside a file may run any code, so object arrays are refused.
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        names = [f"leaf_{i}" for i in range(len(leaves))]
        if not set(names) <= set(file.files):
            return None
        metadata: Metadata = json.loads(str(file["metadata"]))
        arrays = [file[name] for name in names]
    if [array.shape for array in arrays] != [leaf.shape for leaf in leaves]:
        return None
    return Found(jax.tree.unflatten(tree, arrays), metadata)
