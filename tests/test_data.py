"""Data sets: digits, slices, damaged files, imports. Oracles: scikit-learn, numpy, files written
here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from iae_jax.data import load, open_source, stream
from iae_jax.data.prepare import prepare
from iae_jax.errors import InputError

RNG = np.random.default_rng(7)
IMAGES = RNG.integers(0, 256, (23, 5, 4, 3), dtype=np.uint8)  # no two sizes are equal
LABELS = RNG.permutation(23) % 6


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("tfds"))
    prepare("digits", directory)
    return directory


@pytest.fixture
def digits_copy(data_dir, tmp_path):
    """A prepared data set that a test may damage: (data_dir, record file of the train split)."""
    source = Path(data_dir) / "digits" / "1.0.0"
    target = tmp_path / "digits" / "1.0.0"
    target.mkdir(parents=True)
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    (records,) = target.glob("*train*")
    return str(tmp_path), records


def write_npz(path, **arrays):
    np.savez_compressed(path, **arrays)
    return f"npz:{path}"


# --- digits ---------------------------------------------------------------------------------


def test_digits_are_those_of_scikit_learn_in_its_order(data_dir):
    digits = load_digits()
    # 0 to 16 -> 0 to 255, rounded half up, in integers
    pixels = (2 * 255 * digits.images.astype(int) + 16) // 32
    for split, part in {"train": slice(0, 1500), "test": slice(1500, 1797)}.items():
        source = open_source("digits", split, data_dir)
        images, labels = load(source)
        assert images.dtype == np.uint8 and labels.dtype == np.int32
        assert source.shape == (8, 8, 1) and source.classes == 10
        np.testing.assert_array_equal(images[..., 0], pixels[part])
        np.testing.assert_array_equal(labels, digits.target[part])


def test_digits_are_made_on_first_use(tmp_path):
    source = open_source("digits", "test[:3]", str(tmp_path / "new" / "place"))
    assert [source[i][1] for i in range(3)] == list(load_digits().target[1500:1503])


def test_the_slower_of_two_processes_uses_the_faster_ones_set(data_dir, tmp_path, monkeypatch):
    from iae_jax.data.builders.digits import Digits

    stock = Digits._split_generators

    def meanwhile_another_process_finishes(self, dl_manager):
        winner = tmp_path / "digits" / "1.0.0"
        winner.mkdir()
        for file in (Path(data_dir) / "digits" / "1.0.0").iterdir():
            (winner / file.name).write_bytes(file.read_bytes())
        return stock(self, dl_manager)

    monkeypatch.setattr(Digits, "_split_generators", meanwhile_another_process_finishes)
    assert len(open_source("digits", "train", str(tmp_path))) == 1500
    assert [path.name for path in (tmp_path / "digits").iterdir()] == ["1.0.0"]


# --- sources --------------------------------------------------------------------------------


def test_items_length_and_size(data_dir, tmp_path):
    npz = write_npz(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    for source in (open_source("digits", "train[7:30]", data_dir), open_source(npz, "train")):
        images, labels = load(source)
        assert len(source) == 23 and source.nbytes == images.nbytes
        np.testing.assert_array_equal(source.labels(), labels)
        for i in (0, 11, -1):
            np.testing.assert_array_equal(source[i][0], images[i])
            assert source[i][1] == labels[i] and isinstance(source[i][1], int)
        chosen = source.read([5, 2, 5])
        np.testing.assert_array_equal(chosen.x, images[[5, 2, 5]])
        np.testing.assert_array_equal(chosen.labels, labels[[5, 2, 5]])
        with pytest.raises(IndexError):
            source[23]


@pytest.mark.parametrize(
    ("split", "want"),
    [
        ("train", lambda train, test: train),
        ("test", lambda train, test: test),
        ("train[:5]", lambda train, test: train[:5]),
        ("train[-5:]", lambda train, test: train[-5:]),
        ("train[3:-4]", lambda train, test: train[3:-4]),
        ("train[10%:60%]", lambda train, test: train[len(train) // 10 : len(train) * 6 // 10]),
        ("test[2:]+train[:1]", lambda train, test: np.concatenate([test[2:], train[:1]])),
    ],
)
def test_slicing_strings(data_dir, tmp_path, split, want):
    digits = load_digits()
    source = open_source("digits", split, data_dir)
    np.testing.assert_array_equal(
        load(source).labels, want(digits.target[:1500], digits.target[1500:])
    )
    npz = write_npz(
        tmp_path / "a.npz",
        images=IMAGES[:20],
        labels=LABELS[:20],
        test_images=IMAGES[20:],
        test_labels=LABELS[20:],
    )
    images, labels = load(open_source(npz, split))
    np.testing.assert_array_equal(images, want(IMAGES[:20], IMAGES[20:]))
    np.testing.assert_array_equal(labels, want(LABELS[:20], LABELS[20:]))


@pytest.mark.parametrize(
    "split",
    [
        "",
        "valid",
        "train[",
        "train[:2000]",
        "train[-2000:]",
        "train[4:4]",
        "train[9:3]",
        "train[3]",
    ],
)
def test_bad_splits_are_refused(data_dir, tmp_path, split):
    npz = write_npz(tmp_path / "a.npz", images=IMAGES)
    for name in ("digits", npz):
        with pytest.raises(InputError, match=r"split .*there is train \(\d+ examples\)"):
            open_source(name, split, data_dir)


def test_the_error_for_an_unknown_data_set_says_how_to_prepare_it(tmp_path):
    with pytest.raises(InputError, match=f"prepare mnist --data_dir {tmp_path}$"):
        open_source("mnist", "train", str(tmp_path))
    with pytest.raises(InputError, match="no data set 'nosuchset'.*prepare.*prepare nosuchset"):
        open_source("nosuchset", "train", str(tmp_path))
    with pytest.raises(InputError, match="cannot open 'not a name'"):
        open_source("not a name", "train", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [0, 100, 65536, 131072, 200000, -65536, -1])
def test_a_truncated_record_file_is_refused_when_opened(digits_copy, kept):
    directory, records = digits_copy
    records.write_bytes(records.read_bytes()[:kept])
    with pytest.raises(
        InputError, match=f"{records.parent} is damaged.*move.* away.*prepare digits"
    ):
        open_source("digits", "train[:3]", directory)
    assert len(load(open_source("digits", "test", directory)).x) == 297


def test_a_record_file_with_too_few_records_is_refused(digits_copy):
    directory, records = digits_copy
    (other,) = records.parent.glob("*test*")
    records.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="297 records, not 1500"):
        open_source("digits", "train[:3]", directory)


def test_a_changed_record_is_refused_when_read(digits_copy):
    directory, records = digits_copy
    data = bytearray(records.read_bytes())
    place = data.index(b"IDAT") + 8  # inside the first image
    data[place] ^= 255
    records.write_bytes(data)
    source = open_source("digits", "train", directory)
    message = f"{records.parent} is damaged.*move.* away.*prepare digits"
    with pytest.raises(InputError, match=message):
        load(source)
    with pytest.raises(InputError, match=message):
        for _ in zip(range(300), stream(source, 0, 0, 5, 1), strict=False):
            pass


def test_missing_files_of_a_prepared_set_are_refused(digits_copy):
    directory, records = digits_copy
    records.unlink()
    with pytest.raises(InputError, match="is damaged"):
        open_source("digits", "train", directory)
    info = records.parent / "dataset_info.json"
    info.write_text(json.dumps(json.loads(info.read_text()))[:50])
    with pytest.raises(InputError, match="move .* away"):
        open_source("digits", "test", directory)
    info.unlink()
    with pytest.raises(InputError, match=f"{records.parent} is incomplete: move"):
        open_source("digits", "test", directory)


# --- imports --------------------------------------------------------------------------------


def test_importing_the_package_is_cheap():
    code = "import sys, iae_jax.data; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {module.split(".")[0] for module in done.stdout.split()}
    assert not loaded & {"tensorflow_datasets", "grain", "sklearn", "PIL", "array_record"}


def test_tensorflow_is_not_imported_where_it_is_installed(data_dir, tmp_path):
    installed = tmp_path / "tensorflow"
    installed.mkdir()
    (installed / "__init__.py").write_text("raise SystemExit('tensorflow was imported')")
    code = """
import sys
from iae_jax.data import load, open_source, stream
source = open_source("digits", "train[:50]", sys.argv[1])
print(len(load(source).x), next(stream(source, 0, 0, 4, 2)).labels.shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, data_dir],
        text=True,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "50 (4,)\n"), done.stderr
