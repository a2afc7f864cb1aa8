"""Data sets that TFDS would build with TensorFlow, prepared from tiny originals written here."""

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io
import tensorflow_datasets as tfds
from PIL import Image

from iae_jax.data import load, open_source
from iae_jax.data.builders import BUILDERS
from iae_jax.data.prepare import NAMES, prepare

RNG = np.random.default_rng(5)


def images(count, *shape):
    return RNG.integers(0, 256, (count, *shape), dtype=np.uint8)


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes())


def fashion_mnist():
    """(file name -> bytes, split -> (images, labels))."""
    parts = {
        "train": (images(5, 28, 28, 1), [9, 0, 3, 3, 7]),
        "test": (images(2, 28, 28, 1), [4, 6]),
    }
    files = {}
    for split, (x, labels) in parts.items():
        prefix = "train" if split == "train" else "t10k"
        files[f"{prefix}-images-idx3-ubyte.gz"] = idx(x[..., 0])
        files[f"{prefix}-labels-idx1-ubyte.gz"] = idx(np.array(labels, np.uint8))
    return files, parts


def svhn_cropped():
    """As in the original files, the digit 0 has label 10 and examples are the last axis."""
    parts = {
        split: (images(count, 32, 32, 3), labels)
        for split, count, labels in (
            ("train", 4, [1, 0, 9, 2]),
            ("test", 2, [5, 0]),
            ("extra", 3, [8, 8, 1]),
        )
    }
    files = {}
    for split, (x, labels) in parts.items():
        file, y = io.BytesIO(), [[label or 10] for label in labels]
        scipy.io.savemat(file, {"X": np.moveaxis(x, 0, -1), "y": np.array(y, np.uint8)})
        files[f"{split}_32x32.mat"] = file.getvalue()
    return files, parts


def cifar10():
    """Six files in an archive; a record is a label and three planes."""
    parts = {
        "train": (images(5, 32, 32, 3), [3, 1, 4, 1, 5]),
        "test": (images(2, 32, 32, 3), [9, 2]),
    }
    names = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    contents = {"batches.meta.txt": "\n".join(names).encode() + b"\n\n"}
    train = [(f"data_batch_{i + 1}.bin", "train", i) for i in range(5)]
    for name, split, start in [*train, ("test_batch.bin", "test", None)]:
        x, labels = parts[split]
        chosen = range(len(x)) if start is None else [start]
        contents[name] = b"".join(
            bytes([labels[i]]) + x[i].transpose(2, 0, 1).tobytes() for i in chosen
        )
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in contents.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return {"cifar-10-binary.tar.gz": file.getvalue()}, parts


@pytest.fixture
def prepared(tmp_path, monkeypatch, request):
    """A tiny data set of that name: (name, its parts, data_dir, its directory)."""
    name, make = request.param
    files, parts = make()
    originals = tmp_path / "originals"
    originals.mkdir()
    kind = type(next(iter(BUILDERS[name].url_infos.values())))
    table = {}
    for url, info in BUILDERS[name].url_infos.items():
        data = files[info.filename]
        (originals / info.filename).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        own = SimpleNamespace(size=len(data), checksum=digest, filename=info.filename)
        table[url] = kind(**vars(own))
    assert set(files) == {info.filename for info in table.values()}
    monkeypatch.setattr(BUILDERS[name], "url_infos", table)
    directory = prepare(name, str(tmp_path / "data"), str(originals))
    return name, parts, tmp_path / "data", directory


def rows(images, labels):
    """Records, sorted: TFDS shuffles them once."""
    return sorted(
        bytes([label]) + np.asarray(x).tobytes() for x, label in zip(images, labels, strict=True)
    )


OF_TFDS = [(make.__name__, make) for make in (fashion_mnist, svhn_cropped, cifar10)]


@pytest.mark.parametrize("prepared", OF_TFDS, indirect=True, ids=[name for name, _ in OF_TFDS])
def test_a_set_is_tfds_own(prepared):
    """Name, version, features and records; TFDS opens it under its own name."""
    name, parts, place, directory = prepared
    stock = tfds.builder_cls(name)
    assert directory == place / name / str(stock.VERSION)
    builder = tfds.builder(name, data_dir=str(place))
    assert set(builder.info.splits) == set(parts)
    for split, (x, labels) in parts.items():
        records = list(tfds.data_source(name, split=split, data_dir=str(place)))
        assert rows([r["image"] for r in records], [r["label"] for r in records]) == rows(x, labels)
        source = open_source(name, split, str(place))
        assert rows(*load(source)) == rows(x, labels)
        assert source.shape == x.shape[1:] and source.classes == 10
    if name == "cifar10":
        assert builder.info.features["label"].names[3] == "cat"
        assert records[0]["id"].decode().startswith("test_0000")


def celeb_a_64():
    """Faces of 178x218 whose central 178 rows have one colour, which resizing keeps."""
    colours = {"000001.jpg": 40, "000002.jpg": 90, "000003.jpg": 140, "000004.jpg": 210}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, level in colours.items():
            face = np.full((218, 178, 3), 255 - level, np.uint8)
            face[20:198] = (level, level // 2, 0)
            data = io.BytesIO()
            Image.fromarray(face).save(data, format="PNG")  # despite its suffix
            archive.writestr(f"img_align_celeba/{name}", data.getvalue())
    parts = {
        "train": ["000001.jpg", "000004.jpg"],
        "validation": ["000003.jpg"],
        "test": ["000002.jpg"],
    }
    lines = [f"{name} {number}" for number, names in enumerate(parts.values()) for name in names]
    files = {
        "img_align_celeba.zip": file.getvalue(),
        "list_eval_partition.txt": "\n".join(sorted(lines)).encode() + b"\n",
    }
    return files, {split: [colours[name] for name in names] for split, names in parts.items()}


@pytest.mark.parametrize("prepared", [("celeb_a_64", celeb_a_64)], indirect=True)
def test_faces_are_cropped_and_resized_once(prepared):
    _, parts, place, _ = prepared
    for split, levels in parts.items():
        found = load(open_source("celeb_a_64", split, str(place)))
        assert found.x.shape == (len(levels), 64, 64, 3)
        assert sorted(found.x[:, 30, 30, 0]) == sorted(levels)
        for image in found.x:  # no pixel from above or below the square
            level = image[30, 30, 0]
            np.testing.assert_array_equal(
                image, np.broadcast_to([level, level // 2, 0], image.shape)
            )
        assert (found.labels == -1).all()


def test_every_data_set_has_a_name_and_checksums():
    assert sorted(BUILDERS) == sorted(NAMES)
    tables = [builder.url_infos for name, builder in BUILDERS.items() if name != "digits"]
    assert all(len(info.checksum) == 64 for table in tables for info in table.values())
