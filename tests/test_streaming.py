"""The measurement of streaming: the set it makes, what it refuses, and, marked experiment, a whole
small one."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from experiments import streaming
from iae_jax.errors import InputError


def test_the_set_is_of_so_many_different_images(tmp_path):
    streaming.make(tmp_path / "images.zip", 3)
    with zipfile.ZipFile(tmp_path / "images.zip") as file:
        assert file.namelist() == ["000000.bmp", "000001.bmp", "000002.bmp"]
        images = []
        for name in file.namelist():
            with file.open(name) as member:
                images.append(np.asarray(Image.open(member)))
    assert {image.shape for image in images} == {(64, 64, 3)}
    # Noise of 0 to 63 on a colour of 0 to 191: neither wraps round, nor is one the other's colour.
    assert {(np.ptp(image, (0, 1)) <= 63).all() for image in images} == {True}
    assert len({tuple(image.mean((0, 1)).round(-1)) for image in images}) == 3


@pytest.mark.parametrize("words", [["--images=1999"], ["--steps=39"], ["--image=2000"], ["--x"]])
def test_what_cannot_be_measured_is_refused(words, tmp_path, capsys):
    assert streaming.main([*words, f"--results={tmp_path}"]) == 2
    assert not list(tmp_path.iterdir())
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_where_nothing_can_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "file").touch()
    words = [f"--folder={tmp_path / 'file'}", f"--results={tmp_path}"]
    assert streaming.main(words) == 2
    assert "choose another --folder" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "saved"), [(0, True), (75, True), (143, False)])
def test_a_run_that_was_not_stopped_is_not_resumed(status, saved, tmp_path, monkeypatch):
    if saved:
        (tmp_path / "checkpoints" / "20").mkdir(parents=True)
        (tmp_path / "checkpoints" / "20" / "commit_success.txt").write_text("")
    command = [sys.executable, "-c", f"raise SystemExit({status})"]
    monkeypatch.setattr(streaming, "start", lambda *_: [subprocess.Popen(command)])
    with pytest.raises(InputError, match=f"and ended with .{status}. before: give more --steps"):
        streaming.trained(tmp_path, [], half=5)


@pytest.mark.experiment
def test_a_small_set_is_streamed_stopped_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "LIMIT_SECONDS", 600)
    # A resident set and a streamed one are two programs, which XLA rounds alike where it optimizes.
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "0")
    words = ["--images=2000", "--steps=80", f"--folder={tmp_path}", f"--results={tmp_path}"]
    assert streaming.main(words) == 0
    records = json.loads((tmp_path / "streaming.partial.json").read_text())["records"]
    found = {(one["metric"], one["variant"]): one["values"][0] for one in records}
    assert found["bits_lost", "streamed_and_resumed"] == found["bits_lost", "resident"] == 0
    assert found["set_megabytes", "streamed"] == 2000 * 64 * 64 * 3 / 2**20
    assert 100 < found["peak_host_megabytes", "streamed"] < 4096
