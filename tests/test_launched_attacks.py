"""Files that were made to take all memory or time, and a forged classifier, as the command meets
them: one line, nothing written, little memory. What else there is of each kind is in test_limits.
"""

import tracemalloc
import zipfile

import attacks
import jax
import numpy as np
import pytest
from image_folders import IMAGES, save
from PIL import ImageFile
from test_launch import ROOT, launch

from iae_jax.data import label_pattern
from iae_jax.metrics import feature_classifier

GIB = 2**30


def photos(folder, name, data=None):
    """A folder of twelve images and a further file."""
    for number in range(12):
        save(folder / "photos" / f"{number}.png", IMAGES[number % 6])
    if data is None:
        save(folder / "photos" / name, IMAGES[0])
    else:
        (folder / "photos" / name).write_bytes(data)
    return folder / "photos"


def zipped(folder, name, data=None):
    """The same as a zip."""
    where, path = photos(folder, "one.png"), folder / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        for one in where.iterdir():
            file.write(one, one.name)
        file.writestr(name, (where / "one.png").read_bytes() if data is None else data)
    return path


def black(side):
    return attacks.png(side, side, attacks.black(side, side))


def many(folder):
    attacks.entries(folder / "set.zip", 200_000)
    return folder / "set.zip"


def zeros(folder, name, says=10 * GIB, first=b""):
    """Ten GiB of them, and what their file says that they are."""
    path = zipped(folder, "more.png")
    if name.endswith("npy"):
        path = folder / "set.npz"
    packed = attacks.deflated_zeros(10 * GIB, first)
    return attacks.unpacking(path, {name: (packed, says)}, mode="a")


def nested(folder):
    """The same in a zip in a zip, and nothing else."""
    inner, path = zeros(folder, "x.bmp").read_bytes(), folder / "outer.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("inner.zip", inner)
    return path


ARRAY = attacks.npy((10 * 2**10, 2**10, 2**10))
ATTACKS = {
    "pixels that are claimed": (
        lambda folder: photos(folder, "big.png", attacks.png(60_000, 60_000)),
        "big.png in * has 60000x60000 pixels",
    ),
    "pixels that are there": (
        lambda folder: photos(folder, "big.png", black(13_000)),
        "big.png in * has 13000x13000 pixels",
    ),
    "pixels in a zip": (
        lambda folder: zipped(folder, "big.png", black(13_000)),
        "big.png in * has 13000x13000 pixels",
    ),
    "an endless pattern": (
        lambda folder: photos(folder, f"{'a' * 40}.png"),
        "takes more than 1 s of processor time",
        "--config.data.label_pattern=^((a+)+)_",
    ),
    "entries": (many, "has 200000 entries"),
    "a name that leads out": (
        lambda folder: zipped(folder, "../../x.png"),
        "../../x.png, which is a place outside of it",
    ),
    "a zip in a zip": (nested, "there is no image in"),
    "zeros": (lambda folder: zeros(folder, "x.bmp"), "unpacks to 10241 MB"),
    "zeros of which it says less": (
        lambda folder: zeros(folder, "labels.csv", 20),
        "labels.csv in * cannot be read (Bad CRC-32",
    ),
    "an array of zeros": (
        lambda folder: zeros(folder, "images.npy", 10 * GIB + len(ARRAY), ARRAY),
        "with images the arrays have 10240 MB",
    ),
    "an array of which it says less": (
        lambda folder: zeros(folder, "images.npy", 2**20, ARRAY),
        "has more bytes than it",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_one_line_and_makes_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(label_pattern, "CPU_SECONDS", 1)
    make, said, *words = ATTACKS[name]
    load = ImageFile.ImageFile.load

    def small(image):  # larger ones would not be seen among what Python has allocated
        assert image.width * image.height < 100
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", small)
    path = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    tracemalloc.start()
    try:
        code, out, lines = launch(
            "--config=tests/tiny.py",
            f"--workdir={tmp_path / 'run'}",
            f"--config.data.name={path}",
            *words,
        )
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert code == 2 and not out and len(lines) == 1 and lines[0].startswith("error: ")
    for part in said.split("*"):
        assert part in lines[0]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.heavy
def test_a_forged_classifier_and_a_cache_of_others(tmp_path, monkeypatch, data_directory, caplog):
    monkeypatch.chdir(ROOT)
    # That is not trained: what it says of a digit is of no interest here.
    monkeypatch.setattr(
        feature_classifier,
        "fit",
        lambda network, *_: network.init(jax.random.key(0)),
    )
    cache, run = tmp_path / "above" / "cache", tmp_path / "run"
    words = [
        "--config=tests/tiny.py:vae", f"--workdir={run}", "--config.steps=4",
        f"--config.run.cache={cache}", f"--config.data.directory={data_directory}",
    ]  # fmt: skip
    assert launch(*words)[0] == 0
    assert launch(*words, "--mode=evaluate")[0] == 0 and not caplog.records
    path, measured = next(cache.glob("*.npz")), (run / "evaluation_test.json").read_text()
    with np.load(path) as file:
        arrays = {name: np.zeros_like(one) if "leaf" in name else one for name, one in file.items()}
    np.savez(path, **arrays)
    assert launch(*words, "--mode=evaluate")[0] == 0
    (warning,) = caplog.records
    assert f"{path} is damaged, or was not trained by this user" in warning.getMessage()
    assert (run / "evaluation_test.json").read_text() == measured
    before = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    for folder, mode in ((cache, 0o722), (cache.parent, 0o707)):
        usual = folder.stat().st_mode
        folder.chmod(mode)
        code, out, err = launch(*words, "--mode=evaluate")
        assert code == 2 and not out and len(err) == 1 and str(cache) in err[0]
        assert "choose another --config.run.cache" in err[0]
        folder.chmod(usual)
    assert before == {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
