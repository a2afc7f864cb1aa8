"""Files that were made to take all memory or time: each is refused in one line before it does.
Oracles: how the files were made, and what Python has allocated."""

import io
import re
import tracemalloc
import zipfile
import zlib

import attacks
import numpy as np
import pytest
from image_folders import IMAGES, opened, save
from PIL import Image, ImageFile
from test_launch import launch

from iae_jax.data import load, open_source
from iae_jax.data.archive import ArchiveFile
from iae_jax.data.limits import Limits
from iae_jax.data.reading import Reading
from iae_jax.data.sources import open_within
from iae_jax.errors import InputError
from iae_jax.runs.images import in_flags
from iae_jax.runs.reading import set_limits

GIB = 2**30


def refused(path, message, reading=None, **limits):
    """By one line, and without much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message) as error:
            load(open_within(Limits(**limits), str(path), "train", None, reading or Reading()))
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value)


def held(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def zipped(path, **contents):
    attacks.claiming(path, {name: (content, None) for name, content in contents.items()})
    return path


@pytest.fixture
def nothing_decoded(monkeypatch):
    def load(image):
        raise AssertionError("pixels are read")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize(("side", "real"), [(60_000, False), (13_000, True)])
def test_an_image_of_too_many_pixels_is_not_decoded(tmp_path, nothing_decoded, side, real, pack):
    data = attacks.png(side, side, attacks.black(side, side) if real else b"")
    assert len(data) < 2**21
    path = tmp_path / "set"
    path.mkdir()
    (path / "big.png").write_bytes(data)
    if pack:
        path = zipped(tmp_path / "set.zip", **{"big.png": data})
    said = f"big.png in {re.escape(str(path))} has {side}x{side} pixels, and the limit is 67108864"
    refused(path, f"{said}: .*--config.run.limits.pixels={side * side}$", Reading(size=8))


def test_a_limit_of_pixels_can_be_set(tmp_path):
    save(tmp_path / "a.png", IMAGES[0])  # 4x5
    reading = Reading()
    with pytest.raises(InputError, match="has 4x5 pixels, and the limit is 19"):
        open_within(Limits(pixels=19), f"images:{tmp_path}", "train", None, reading)
    found = open_within(Limits(pixels=20), f"images:{tmp_path}", "train", None, reading)
    np.testing.assert_array_equal(load(found).x, IMAGES[:1])


def test_an_image_that_grows_after_it_was_opened_is_not_decoded(tmp_path):
    save(tmp_path / "a.png", IMAGES[0])
    source = opened(tmp_path)
    (tmp_path / "a.png").write_bytes(attacks.png(60_000, 60_000))
    with pytest.raises(InputError, match="has 60000x60000 pixels"):
        load(source)


def test_a_zip_of_too_many_entries_is_not_listed(tmp_path, monkeypatch):
    attacks.entries(tmp_path / "few.zip", 3)
    with zipfile.ZipFile(tmp_path / "few.zip") as file:
        assert len(file.namelist()) == 3  # whatever its last record says
    refused(tmp_path / "few.zip", "has 3 entries, and the limit is 2: .*entries=3", entries=2)
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZipInfo", None)
        attacks.entries(tmp_path / "many.zip", 200_000)
        refused(tmp_path / "many.zip", "has 200000 entries, and the limit is 100000")


def test_an_npz_of_too_many_entries_is_not_listed(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES, a=1, b=2)
    refused(tmp_path / "a.npz", "has 3 entries, and the limit is 2", entries=2)
    opened_npz = open_within(Limits(entries=3), str(tmp_path / "a.npz"), "train", None, Reading())
    np.testing.assert_array_equal(load(opened_npz).x, IMAGES)


@pytest.mark.parametrize(
    "name", ["../../x.png", "a/../../x.png", "/x.png", r"..\x.png", r"C:\x.png"]
)
def test_a_name_that_leads_out_of_a_zip_is_refused(tmp_path, name):
    path = zipped(tmp_path / "a.zip", **{"y.png": held(IMAGES[0]), name: held(IMAGES[1])})
    refused(path, f"has a file {re.escape(name)}, which is a place outside of it")
    assert [one.name for one in tmp_path.iterdir()] == ["a.zip"]


def test_a_zip_in_a_zip_is_not_read_and_a_line_says_so(tmp_path):
    inner = zipped(tmp_path / "inner.zip", **{"x.png": held(IMAGES[1])}).read_bytes()
    contents = {"y.png": held(IMAGES[0]), "inner.zip": inner}
    source = opened(zipped(tmp_path / "a.zip", **contents))
    np.testing.assert_array_equal(load(source).x, IMAGES[:1])
    assert source.notes == ("files are not read: 1 that end in .zip",)
    refused(zipped(tmp_path / "b.zip", **{"inner.zip": inner}), "there is no image in")


def test_what_a_zip_says_that_it_unpacks_to_is_limited(tmp_path):
    path = tmp_path / "a.zip"
    zeros = bytes(2**21)
    attacks.claiming(path, {"x.bmp": (zeros, 10 * GIB)})
    refused(path, r"a\.zip unpacks to 10240 MB, and the limit is 8192: .*megabytes=10240$")
    attacks.claiming(path, {"x.bmp": (zeros, GIB)})
    refused(path, r"x\.bmp in .* has 1024 MB, and the limit is 256: .*file_megabytes=1024$")
    attacks.claiming(path, {f"{i}.bmp": (zeros, None) for i in range(3)})
    refused(path, "unpacks to 6 MB, and the limit is 5", megabytes=5)
    attacks.claiming(path, {"x.png": (held(IMAGES[0]), None), "labels.csv": (zeros, GIB)})
    refused(path, r"labels\.csv in .* has 1024 MB, and the limit is 256")


def test_a_file_that_unpacks_to_more_than_it_says_is_not_unpacked(tmp_path):
    """96 MiB of zeros that are said to be 20 bytes."""
    zeros = {"labels.csv": (bytes(96 * 2**20), 20), "x.png": (held(IMAGES[0]), None)}
    attacks.claiming(tmp_path / "a.zip", zeros)
    refused(tmp_path / "a.zip", r"labels\.csv in .*a\.zip cannot be read \(Bad CRC-32")
    few = {"labels.csv": (bytes(100), 20), "x.png": (held(IMAGES[0]), None)}
    attacks.claiming(tmp_path / "b.zip", few, zipfile.ZIP_BZIP2)
    refused(tmp_path / "b.zip", "is packed by method 12, and only stored and deflated files")


def test_the_zeros_of_an_attack_are_there():
    packed = attacks.deflated_zeros(3 * attacks.BLOCK, b"abc")
    assert zlib.decompress(packed, -15) == b"abc" + bytes(3 * attacks.BLOCK)
    grows = len(attacks.deflated_zeros(4 * attacks.BLOCK, b"abc")) - len(packed)
    ten = len(attacks.deflated_zeros(10 * GIB, b"abc"))
    assert ten - len(packed) == grows * (10 * GIB // attacks.BLOCK - 3) < 12e6


@pytest.fixture
def bytes_read(monkeypatch):
    """How many of the bytes of zips are read, each time."""
    read, sizes = ArchiveFile.read, []

    def counted(file, size=-1):
        data = read(file, size)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(ArchiveFile, "read", counted)
    return sizes


def test_ten_gigabytes_of_zeros_are_not_unpacked(tmp_path, bytes_read):
    """Whatever the zip says that they are."""
    path, zeros = tmp_path / "a.zip", attacks.deflated_zeros(10 * GIB)
    attacks.unpacking(path, {"x.bmp": (zeros, 10 * GIB)})
    refused(path, "unpacks to 10240 MB, and the limit is 8192")
    zipped(path, **{"x.png": held(IMAGES[0])})
    attacks.unpacking(path, {"labels.csv": (zeros, 2**23)}, mode="a")
    refused(path, r"labels\.csv in .* cannot be read \(Bad CRC-32")
    attacks.unpacking(path, {"x.bmp": (zeros, 2**23)})
    refused(path, r"x\.bmp in .*a\.zip cannot be read", file_megabytes=100_000)
    assert 0 < sum(bytes_read) < 2**18 < path.stat().st_size


def test_files_of_a_folder_are_limited_too(tmp_path):
    save(tmp_path / "a.png", IMAGES[0])
    with (tmp_path / "b.webp").open("wb") as file:
        file.truncate(GIB)  # takes no room
    refused(f"images:{tmp_path}", r"b\.webp in .* has 1024 MB, and the limit is 256")
    (tmp_path / "b.webp").rename(tmp_path / "labels.csv")
    refused(f"images:{tmp_path}", r"labels\.csv in .* has 1024 MB, and the limit is 256")
    (tmp_path / "labels.csv").unlink()
    named = Reading(labels="/dev/zero")  # has no size
    refused(f"images:{tmp_path}", "/dev/zero has 2 MB, and the limit is 1", named, file_megabytes=1)


def test_labels_of_nested_lists_are_refused(tmp_path):
    save(tmp_path / "a.png", IMAGES[0])
    (tmp_path / "labels.json").write_text("[" * 200_000)
    refused(f"images:{tmp_path}", "is no JSON")


def arrays(path, **members):
    """An npz. members: as of `attacks.claiming`."""
    attacks.claiming(path, {f"{name}.npy": member for name, member in members.items()})
    return path


SMALL = (attacks.npy((2, 3, 4), bytes(range(24))), None)
# As if it had a GiB: whoever reads it finds its end.
LARGE = (attacks.npy((GIB,)), GIB + 100)


def test_an_array_that_nobody_reads_costs_nothing(tmp_path):
    path = arrays(tmp_path / "a.npz", images=SMALL, more=LARGE)
    tracemalloc.start()
    source = open_source(str(path), "train", shuffled=False)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    assert load(source).x.ravel().tolist() == list(range(24))
    assert "arrays that are not read: more" in source.notes
    path = arrays(tmp_path / "b.npz", x_train=SMALL, more=LARGE)
    said = re.escape(f"only x_train uint8[2, 3, 4], more uint8[{GIB}]: say which is which")
    refused(path, said)


def test_a_gigabyte_that_is_there_and_nobody_reads_costs_nothing(tmp_path, bytes_read):
    head, path = attacks.npy((GIB,)), arrays(tmp_path / "a.npz", images=SMALL)
    more = attacks.deflated_zeros(GIB, head)
    attacks.unpacking(path, {"more.npy": (more, GIB + len(head))}, mode="a")
    tracemalloc.start()
    source = open_source(str(path), "train", shuffled=False)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    assert load(source).x.ravel().tolist() == list(range(24))
    assert 0 < sum(bytes_read) < 2**14 < path.stat().st_size


def test_arrays_that_claim_too_much_are_not_read(tmp_path):
    huge = attacks.npy((10**6, 1000, 1000))
    path = arrays(tmp_path / "a.npz", images=(huge, 10**12 + 1000))
    refused(path, r"a\.npz: with images the arrays have 953675 MB, and the limit is 8192")
    refused(arrays(tmp_path / "b.npz", images=(huge, None)), "truncated .*has more bytes than it")
    (tmp_path / "c.npy").write_bytes(huge)
    refused(tmp_path / "c.npy", "truncated .*has more bytes than it")
    two = (attacks.npy((2, 2**10, 2**10), bytes(2**21)), None)
    both = arrays(tmp_path / "d.npz", images=two, test_images=two)
    refused(both, "with test_images the arrays have 4 MB, and the limit is 3", megabytes=3)
    np.save(tmp_path / "e.npy", np.zeros((2, 2**10, 2**10), np.uint8))
    refused(tmp_path / "e.npy", r"e\.npy has 2 MB, and the limit is 1", megabytes=1)


def test_a_header_of_gigabytes_is_not_read(tmp_path):
    header = attacks.npy((2, 3, 4), version=2, length=2**32 - 1)
    path = arrays(tmp_path / "a.npz", images=(header + bytes(96 * 2**20), 7 * GIB))
    refused(path, "its header has 4294967295 bytes")


def test_of_two_members_of_a_name_the_one_that_is_read_is_looked_at(tmp_path):
    huge = (attacks.npy((2 * GIB, 3, 2)), 13 * GIB)
    attacks.claiming(tmp_path / "a.npz", {"images.npy": SMALL, "images": huge})
    refused(tmp_path / "a.npz", "have 12288 MB, and the limit is 8192")


def test_limits_of_a_mode_that_reads_a_run():
    limits = Limits()
    set_limits(limits, ["pixels=9", "megabytes=10000"])
    assert limits == Limits(pixels=9, megabytes=10000)
    for wrong in ("pixel=9", "pixels=0", "pixels=-1", "pixels", "pixels=a"):
        with pytest.raises(InputError, match=f"--limits is a list of pixels=NUMBER.*not '{wrong}'"):
            set_limits(limits, [wrong])
    said = in_flags(str(limits.above("entries", 7, "it has 7")), "photos/", (8, 8, 1))
    assert said.endswith("set --limits=entries=7")


@pytest.mark.parametrize("field", ["pixels", "entries", "file_megabytes", "megabytes"])
def test_a_limit_of_a_config_is_at_least_one(tmp_path, field):
    flag = f"--config.run.limits.{field}=0"
    code, _, lines = launch("--config=tests/tiny.py", f"--workdir={tmp_path / 'run'}", flag)
    assert code == 2 and len(lines) == 1 and f"run.limits.{field} is at least 1" in lines[0]
