"""The command that downloads and prepares a TFDS data set, once, without TensorFlow:
`python -m iae_jax.data.prepare mnist [--manual_dir DIR]`."""

import argparse
import contextlib
import hashlib
import importlib.util
import io
import os
import socket
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies

from iae_jax.errors import EXIT_USER, InputError, first_line
from iae_jax.files.installed import check_installed

NAMES = ("digits", "mnist", "fashion_mnist", "svhn_cropped", "cifar10", "celeb_a_64")


def prepare(name: str, data_dir: str | None = None, manual_dir: str | None = None) -> Path:
    """Prepares a data set for TFDS, unless it is prepared already.

    Several processes may do this at once; a failure leaves nothing behind.

    Args:
      name: one of `NAMES`; where TensorFlow is installed, any other image data set of TFDS.
      data_dir: where TFDS keeps prepared data sets; None is TFDS's own default.
      manual_dir: a directory with the original files. None: TFDS downloads them.

    Returns:
      The directory of the data set, DATA_DIR/NAME/VERSION.

    Raises:
      InputError: unknown name, a file of manual_dir missing or changed, a failed download, a
        data_dir that is not writable.
    """
    import tensorflow_datasets as tfds

    builder = _builder(name, data_dir)
    if is_prepared(builder):
        return Path(builder.data_dir)
    originals = builder.url_infos or {}  # TFDS's table: URL -> size, SHA-256, file name
    if manual_dir is not None:
        _check_manual_dir(Path(manual_dir).expanduser(), originals)
    else:
        _check_reachable(originals)

    root = Path(builder.data_dir_root)
    created = [path for path in (root / name, root, *root.parents) if not os.path.exists(path)]
    tfds.disable_progress_bar()  # stderr is for errors
    try:
        _check_writable(root)
        with tempfile.TemporaryDirectory() as downloads, contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(
                download_dir=downloads,
                download_config=tfds.download.DownloadConfig(
                    manual_dir=manual_dir, try_download_gcs=False
                ),
            )
    except Exception as error:
        # TFDS writes into a temporary directory and renames it. That fails if another process
        # was faster, and then its data set is complete.
        if is_prepared(builder):
            return Path(builder.data_dir)
        for path in created:
            with contextlib.suppress(OSError):  # not empty: it has files of others
                path.rmdir()
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{name} could not be prepared in {root} ({first_line(error)}); if the download fails, "
            "put the original files into a directory and give it as --manual_dir"
        ) from error
    return Path(builder.data_dir)


def is_prepared(builder: Any) -> bool:
    """Whether a TFDS builder's data set is prepared.

    Raises:
      InputError: only a part of it is there.
    """
    directory = Path(builder.data_dir)
    # TFDS would print a warning; Path.exists would raise in a directory that is not readable.
    if not os.path.exists(directory):
        return False
    if not builder.is_prepared():
        raise InputError(
            f"{directory} is incomplete: move that directory away and prepare it again"
        )
    return True


def _builder(name: str, data_dir: str | None) -> Any:
    import tensorflow_datasets as tfds

    builder: Any
    if name in NAMES:
        from iae_jax.data.builders import BUILDERS

        builder = BUILDERS[name]
    elif importlib.util.find_spec("tensorflow") is None:
        raise InputError(
            f"TFDS prepares {name!r} with TensorFlow: pip install 'iae_jax[prepare]', or choose "
            f"one of {', '.join(NAMES)}"
        )
    else:
        builder = partial(tfds.builder, name)
    try:
        return builder(data_dir=data_dir, file_format="array_record")
    except tfds.core.DatasetNotFoundError:
        raise InputError(
            f"TFDS has no data set {name!r}: choose one of its catalog, or of {', '.join(NAMES)}"
        ) from None
    except Exception as error:  # files of a prepared data set that TFDS cannot read
        raise InputError(
            f"TFDS cannot open {name} ({first_line(error)}); if it is prepared, move its "
            "directory away and prepare it again"
        ) from error


def _check_manual_dir(directory: Path, expected: dict[str, Any]) -> None:
    """Compares the files with TFDS's table, since TFDS would download those that are missing."""
    if not directory.is_dir():
        raise InputError(f"no directory {directory}: give the one with the original files")
    missing = [
        info.filename for info in expected.values() if not (directory / info.filename).is_file()
    ]
    if missing:
        raise InputError(
            f"{directory} lacks {', '.join(missing)}: put them there under these names, or "
            "leave --manual_dir out to download them"
        )
    for info in expected.values():
        with (directory / info.filename).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != info.size:
                why = f"has {size} bytes, not {int(info.size)}"
            elif hashlib.file_digest(file, "sha256").hexdigest() != info.checksum:
                why = "fails TFDS's SHA-256 check"
            else:
                continue
        raise InputError(f"{directory / info.filename} {why}: get this file again")


def _check_reachable(originals: dict[str, Any]) -> None:
    """Fails at once without a network; TFDS would retry for minutes."""
    for url in list(originals)[:1]:
        parts = urlsplit(url)
        if parts.scheme in getproxies():
            return  # whether the proxy reaches it cannot be seen here
        try:
            address = (parts.hostname, parts.port or {"http": 80}.get(parts.scheme, 443))
            socket.create_connection(address, timeout=10).close()
        except OSError as error:
            names = ", ".join(info.filename for info in originals.values())
            raise InputError(
                f"cannot reach {parts.hostname} ({error.strerror}): put {names} into a directory "
                "and give it as --manual_dir"
            ) from error


def _check_writable(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write to {directory} ({error.strerror}): choose another --data_dir, "
            "or of a training --config.data.directory"
        ) from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see --help")  # argparse would print two lines


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns its exit code: 0, or 2 after one line `error: ...` on stderr."""
    parser = _Parser(prog="python -m iae_jax.data.prepare", description="Prepares a data set.")
    names = f"{', '.join(NAMES)}, or any image data set of TFDS"
    parser.add_argument("name", metavar="NAME", help=names)
    parser.add_argument("--manual_dir", help="original files; without it, they are downloaded")
    parser.add_argument("--data_dir", help="where TFDS keeps data sets; default: that of TFDS")
    try:
        options = parser.parse_args(arguments)
        check_installed()
        there = is_prepared(_builder(options.name, options.data_dir))
        directory = prepare(options.name, options.data_dir, options.manual_dir)
    except InputError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return EXIT_USER
    print(f"{options.name} is {'already' if there else 'now'} in {directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
