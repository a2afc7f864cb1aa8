"""Preparing data sets, with a tiny MNIST whose files are written here byte by byte."""

import functools
import gzip
import hashlib
import http.server
import socket
import struct
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow_datasets as tfds

from iae_jax.data import load, open_source
from iae_jax.data.builders import mnist as mnist_module
from iae_jax.data.builders.mnist import Mnist
from iae_jax.data.prepare import main, prepare
from iae_jax.errors import InputError

RNG = np.random.default_rng(11)
PARTS = {
    "train": (RNG.integers(0, 256, (7, 28, 28), dtype=np.uint8), bytes([3, 1, 4, 1, 5, 9, 2])),
    "t10k": (RNG.integers(0, 256, (4, 28, 28), dtype=np.uint8), bytes([6, 5, 3, 5])),
}


@pytest.fixture
def originals(tmp_path):
    """A directory with the four files of a tiny MNIST."""
    directory = tmp_path / "originals"
    directory.mkdir()
    for name, (images, labels) in PARTS.items():
        header = struct.pack(">HBBIII", 0, 8, 3, *images.shape)
        (directory / f"{name}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(header + images.tobytes())
        )
        header = struct.pack(">HBBI", 0, 8, 1, len(labels))
        (directory / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + labels))
    return directory


@pytest.fixture
def server(originals):
    """Those files over HTTP on this machine: (base address, list of requested paths)."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(originals))
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://localhost:{running.server_port}/", asked
        running.shutdown()


@pytest.fixture
def table(originals, server, monkeypatch):
    """TFDS's table of sizes and checksums, for the tiny files."""
    for scheme in ("http", "https", "all"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    infos = {}
    for path in originals.iterdir():
        data = path.read_bytes()
        infos[server[0] + path.name] = SimpleNamespace(
            size=len(data), checksum=hashlib.sha256(data).hexdigest(), filename=path.name
        )
    # TFDS compares whole records, so they must be of its own type.
    kind = type(next(iter(Mnist.url_infos.values())))
    monkeypatch.setattr(Mnist, "url_infos", {url: kind(**vars(i)) for url, i in infos.items()})
    return infos


def rows(images, labels):
    """Records, sorted, because TFDS shuffles them when it writes them."""
    pairs = zip(images, labels, strict=True)
    return sorted(bytes([label]) + np.asarray(image).tobytes() for image, label in pairs)


@pytest.mark.parametrize("download", [False, True])
def test_mnist_has_the_records_of_the_files_under_its_tfds_name(
    tmp_path, originals, server, table, download
):
    place = tmp_path / "data"
    directory = prepare("mnist", str(place), None if download else str(originals))
    assert directory == place / "mnist" / "3.0.1"
    assert len(server[1]) == (4 if download else 0)
    assert [path.name for path in place.iterdir()] == ["mnist"]
    for split, name in {"train": "train", "test": "t10k"}.items():
        want = rows(*PARTS[name])
        records = list(tfds.data_source("mnist", split=split, data_dir=str(place)))
        assert rows([r["image"] for r in records], [r["label"] for r in records]) == want
        source = open_source("mnist", split, str(place))
        assert rows(*load(source)) == want
        assert source.shape == (28, 28, 1) and source.classes == 10


def test_mnist_is_checked_against_tfds_own_table():
    # The sizes that MNIST's own page states.
    assert {info.filename: info.size for info in Mnist.url_infos.values()} == {
        "train-images-idx3-ubyte.gz": 9912422,
        "train-labels-idx1-ubyte.gz": 28881,
        "t10k-images-idx3-ubyte.gz": 1648877,
        "t10k-labels-idx1-ubyte.gz": 4542,
    }
    assert all(len(info.checksum) == 64 for info in Mnist.url_infos.values())


def test_the_command_says_where_the_data_set_is_and_whether_it_was_there(
    tmp_path, originals, table, capfd
):
    arguments = ["mnist", "--data_dir", str(tmp_path / "data"), "--manual_dir", str(originals)]
    place = tmp_path / "data" / "mnist" / "3.0.1"
    assert main(arguments) == 0
    assert capfd.readouterr() == (f"mnist is now in {place}\n", "")
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    assert main(arguments) == 0
    assert capfd.readouterr() == (f"mnist is already in {place}\n", "")
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before


def truncate(directory):
    path = directory / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])


def change(directory):
    path = directory / "t10k-labels-idx1-ubyte.gz"
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)


BAD = {
    "missing manual_dir": (lambda d: d.rename(d.parent / "elsewhere"), "no directory"),
    "missing file": (lambda d: (d / "t10k-images-idx3-ubyte.gz").unlink(), "lacks t10k-images"),
    "truncated file": (truncate, r"train-images-idx3-ubyte.gz has \d+ bytes, not \d+"),
    "changed file": (change, "t10k-labels-idx1-ubyte.gz fails TFDS's SHA-256 check"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_original_files_give_one_line_and_leave_nothing(
    tmp_path, originals, server, table, capfd, kind
):
    spoil, message = BAD[kind]
    spoil(originals)
    place = tmp_path / "data"
    assert main(["mnist", "--data_dir", str(place), "--manual_dir", str(originals)]) == 2
    check_error(capfd, message)
    assert not place.exists() and server[1] == []


def check_error(capfd, message):
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("error: ") and err.endswith("\n") and err.count("\n") == 1
    with pytest.raises(InputError, match=message):
        raise InputError(err)


def test_a_bad_download_gives_one_line_and_leaves_nothing(tmp_path, originals, table, capfd):
    place = tmp_path / "data"
    change(originals)
    assert main(["mnist", "--data_dir", str(place)]) == 2
    check_error(capfd, "wrong checksum.*--manual_dir")
    (originals / "t10k-labels-idx1-ubyte.gz").unlink()
    assert main(["mnist", "--data_dir", str(place)]) == 2
    check_error(capfd, "404.*--manual_dir")
    assert not place.exists()


def test_a_missing_network_gives_one_line_at_once(tmp_path, server, table, capfd, monkeypatch):
    with socket.socket() as closed:  # a port that nobody listens on
        closed.bind(("localhost", 0))
        port = closed.getsockname()[1]
        infos = {
            url.replace(server[0], f"http://localhost:{port}/"): info
            for url, info in Mnist.url_infos.items()
        }
        monkeypatch.setattr(Mnist, "url_infos", infos)
        assert main(["mnist", "--data_dir", str(tmp_path / "data")]) == 2
    check_error(capfd, "cannot reach localhost .*train-images-idx3-ubyte.gz.*--manual_dir")
    assert not (tmp_path / "data").exists()


def test_a_failure_halfway_leaves_nothing(tmp_path, originals, table, capfd, monkeypatch):
    made = []

    def full(image):
        made.append(1)
        if len(made) > 8:
            raise OSError("No space left on device")
        return encode(image)

    encode = mnist_module.encode_png
    monkeypatch.setattr(mnist_module, "encode_png", full)
    place = tmp_path / "data"
    place.mkdir()
    (place / "mine").write_text("kept")
    assert main(["mnist", "--data_dir", str(place), "--manual_dir", str(originals)]) == 2
    check_error(capfd, "No space left")
    assert [path.name for path in place.iterdir()] == ["mine"]


def test_an_unwritable_data_dir_gives_one_line(tmp_path, originals, table, capfd):
    (tmp_path / "file").write_text("")
    # Even root cannot write below a file.
    for name, more in (("digits", []), ("mnist", ["--manual_dir", str(originals)])):
        assert main([name, "--data_dir", str(tmp_path / "file" / "x"), *more]) == 2
        check_error(capfd, "cannot write to .*file/x .*choose another --data_dir")


def test_wrong_arguments_give_one_line(capfd):
    for arguments, message in [
        (["nosuchset"], r"'nosuchset' with TensorFlow: pip install 'iae_jax\[prepare\]', or"),
        ([], "required: NAME"),
        (["digits", "--nosuchflag"], "--nosuchflag"),
    ]:
        assert main(arguments) == 2
        check_error(capfd, message)


def test_the_module_is_a_command():
    command = [sys.executable, "-m", "iae_jax.data.prepare", "nosuchset"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_data_set_that_tfds_does_not_have_gives_one_line(tmp_path, monkeypatch, capsys):
    """Where TensorFlow is installed, so that TFDS is asked."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert main(["nosuchset", f"--data_dir={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "error: TFDS has no data set 'nosuchset': choose one of its catalog, or of"
    )
    assert len(said) < 200
