"""Images in npz files, and files that are refused."""

import pickle

import numpy as np
import pytest

from iae_jax.data import load, open_source
from iae_jax.errors import InputError

RNG = np.random.default_rng(7)
IMAGES = RNG.integers(0, 256, (23, 5, 4, 3), dtype=np.uint8)  # no two sizes are equal
LABELS = RNG.permutation(23) % 6


def write_npz(path, **arrays):
    np.savez_compressed(path, **arrays)
    return f"npz:{path}"


def test_npz_of_gray_images_without_labels(tmp_path):
    source = open_source(write_npz(tmp_path / "a.npz", images=IMAGES[..., 1]), "train[2:]")
    images, labels = load(source)
    assert source.shape == (5, 4, 1) and source.classes is None
    np.testing.assert_array_equal(images, IMAGES[2:, :, :, 1:2])
    np.testing.assert_array_equal(labels, np.full(21, -1))


def test_npz_classes_are_those_of_the_whole_file(tmp_path):
    npz = write_npz(tmp_path / "a.npz", images=IMAGES, labels=np.arange(23, dtype=np.uint8))
    assert open_source(npz, "train[:2]").classes == 23


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": LABELS}, "no array 'images'"),
        ({"images": IMAGES / 2 - 3}, "images is float64 from -3 to"),
        ({"images": IMAGES.astype(np.int64) * 2}, "images is int64 from 0 to 510"),
        ({"images": IMAGES[0, 0]}, r"images is uint8\[4, 3\]"),
        ({"images": IMAGES[:0]}, r"images is uint8\[0, 5, 4, 3\]"),
        ({"images": IMAGES, "labels": LABELS[:-1]}, r"labels is int64\[22\]"),
        ({"images": IMAGES, "labels": np.stack([LABELS] * 2, 1)}, r"int64\[23, 2\], and its rows"),
        ({"images": IMAGES, "labels": LABELS + 0.5}, "labels is float64"),
        ({"images": IMAGES, "labels": np.array([b"\xff"] * 23)}, "bytes that are no UTF-8"),
        ({"images": IMAGES, "labels": LABELS - 3}, "labels must be 0, 1, 2"),
        ({"images": IMAGES, "labels": LABELS + 2**31}, "labels must be 0, 1, 2"),
        ({"images": IMAGES, "test_images": IMAGES[:, 1:]}, "test_images are"),
        ({"images": IMAGES, "test_labels": LABELS}, "test_labels and no test_images"),
        ({"images": IMAGES, "val_images": IMAGES[:2]}, "'val_images' would not be read"),
        (
            {"images": IMAGES, "test_images": IMAGES[:4], "test_labels": LABELS[:3]},
            r"test_labels is int64\[3\]",
        ),
    ],
)
def test_bad_npz_contents_are_refused(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message):
        open_source(write_npz(tmp_path / "a.npz", **arrays), "train")


@pytest.mark.parametrize("kept", [0, 1, 60, 500, 0.5, -30, -1])
def test_truncated_npz_is_refused(tmp_path, kept):
    name = write_npz(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data[: int(kept * len(data)) if kept == 0.5 else kept])
    with pytest.raises(InputError, match="a.npz"):
        open_source(name, "train")


def test_npz_that_is_missing_changed_or_another_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        open_source(f"npz:{tmp_path}/nothing.npz", "train")
    with pytest.raises(InputError, match=str(tmp_path)):
        open_source(f"npz:{tmp_path}", "train")
    np.save(tmp_path / "one.npy", IMAGES)
    np.testing.assert_array_equal(load(open_source(f"npz:{tmp_path}/one.npy", "train")).x, IMAGES)
    write_npz(tmp_path / "a.npz", images=IMAGES)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    for place in (len(data) // 2, 6, data.rfind(b"PK\1\2") + 8):  # of the pixels; "encrypted"
        data[place] ^= 255
        (tmp_path / "a.npz").write_bytes(data)
        with pytest.raises(InputError, match="a.npz"):
            open_source(f"npz:{tmp_path}/a.npz", "train")


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")  # unpickling makes a file


def test_pickles_are_refused_and_not_run(tmp_path):
    trace = tmp_path / "trace"
    evil = np.array([Evil(str(trace))], dtype=object)
    name = write_npz(tmp_path / "a.npz", images=IMAGES, labels=evil)
    with pytest.raises(InputError, match="plain arrays"):
        open_source(name, "train")
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Evil(str(trace))))
    with pytest.raises(InputError, match="plain arrays"):
        open_source(f"npz:{tmp_path}/b.npz", "train")
    assert not trace.exists()
