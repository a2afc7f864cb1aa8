"""Checkpoints that are damaged, killed in the middle, or do not fit on the disk."""

import re
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import jax
import pytest
from states import CONFIG, TEMPLATE, arrays, at, init, load, one_line, same, save

from iae_jax.errors import InputError, TransientError
from iae_jax.runs.checkpoint import Checkpoints
from iae_jax.runs.orbax_manager import quiet_orbax

# When one of many arrays cannot be read, Orbax does not wait for the others.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def quiet():
    with quiet_orbax():
        yield


def delete(path):
    path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    """One bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    directory = tmp_path_factory.mktemp("two")
    save(directory, at(1, seed=1), at(2, seed=2))
    return directory


@pytest.mark.parametrize("damage", [delete, truncate, flip])
def test_damage_to_any_file_is_seen_or_harmless(two, tmp_path, damage, caplog):
    expected = {1: arrays(at(1, seed=1)), 2: arrays(at(2, seed=2))}
    fell_back = []
    for file in sorted(path for path in (two / "2").rglob("*") if path.is_file()):
        caplog.clear()
        shutil.copytree(two, tmp_path, dirs_exist_ok=True)
        damage(tmp_path / file.relative_to(two))
        restored = load(tmp_path)
        assert same(restored.state, expected[restored.step]), file
        assert restored.extra == {"lines": restored.step}
        warnings = [r.getMessage() for r in caplog.records if r.name == "iae_jax.runs.checkpoint"]
        assert len(warnings) == (restored.step == 1), file
        if warnings:
            assert warnings[0].startswith(f"checkpoint 2 in {tmp_path} is broken")
            assert "\n" not in warnings[0]
            fell_back.append(file.relative_to(two / "2"))
        shutil.rmtree(tmp_path / "2")
    # The checks above hold if nothing is ever seen; the files that hold arrays and record must be.
    files = [path for path in (two / "2" / "state").rglob("d/*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size).relative_to(two / "2")
    assert {largest, Path("record/metadata")} <= set(fell_back)


def test_after_a_fallback_the_broken_one_is_set_aside_and_its_step_saved_again(two, tmp_path):
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "2" / "state")
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.restore(TEMPLATE).step == 1
        assert checkpoints.steps() == [1] and checkpoints.latest_step() == 1
        assert (tmp_path / "2").exists()  # reading changes nothing
        checkpoints.save(at(2, seed=9), CONFIG, {}, {"lines": 2})
        assert checkpoints.steps() == [1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "2.broken"]
    assert same(load(tmp_path).state, arrays(at(2, seed=9)))


def test_if_all_are_broken_nothing_starts_from_scratch(two, tmp_path):
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "1" / "record")
    shutil.rmtree(tmp_path / "2" / "state")
    with pytest.raises(InputError, match=rf"cannot read checkpoint 1, 2 in {tmp_path}") as error:
        load(tmp_path)
    one_line(error)
    assert (tmp_path / "1").exists() and (tmp_path / "2").exists()


def test_a_step_that_is_asked_for_is_that_step_or_an_error(two, tmp_path):
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "2" / "state")
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (2, 3):
            with pytest.raises(InputError, match=f"checkpoint {step} in") as error:
                checkpoints.restore(TEMPLATE, step)
            one_line(error)
        assert checkpoints.restore(TEMPLATE, 1).step == 1


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (jax.eval_shape(partial(init, width=501)), r"float32\[3, 500\] .* float32\[3, 501\]"),
        (TEMPLATE.replace(params=TEMPLATE.params._replace(encoder=None)), "encoder.* absent here"),
        (jax.eval_shape(partial(init, impl="rbg")), "key<fry>.* key<rbg>"),
    ],
)
def test_a_state_of_another_config_is_refused(two, template, message):
    with Checkpoints(two, keep=2) as checkpoints:
        with pytest.raises(InputError, match=message) as error:
            checkpoints.restore(template)
        assert "workdir" in one_line(error)
        assert checkpoints.restore(TEMPLATE).step == 2  # it is not broken


def test_a_save_that_is_killed_leaves_the_one_before(tmp_path):
    program = f"""
import os, signal, sys
from pathlib import Path
sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parent)]!r}
import numpy as np
from states import at, save
from iae_jax.types import Players
save({str(tmp_path)!r}, at(1, seed=1))
def in_the_middle(event, args):
    # the last thing that Orbax does to a checkpoint is to give it its name
    if event == "os.rename" and Path(os.fspath(args[1])).name == "2":
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(in_the_middle)
save({str(tmp_path)!r}, at(2, seed=2))
"""
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [path for path in tmp_path.iterdir() if path.name != "1"]
    assert left and not (tmp_path / "2").exists()  # it was in the middle
    assert same(load(tmp_path).state, arrays(at(1, seed=1)))
    save(tmp_path, at(3, seed=3))
    assert same(load(tmp_path).state, arrays(at(3, seed=3)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "3"]


def test_what_is_not_a_save_is_left_alone(tmp_path):
    """Of what a directory holds, only what a killed save left is removed."""
    (tmp_path / "thesis.tex").write_text("a")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b").write_text("b")
    (tmp_path / "7.orbax-checkpoint-tmp").mkdir()
    (tmp_path / "7.orbax-checkpoint-tmp" / "c").write_text("c")
    save(tmp_path, at(8, seed=1))
    assert (tmp_path / "thesis.tex").read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["8", "docs", "thesis.tex"]
    assert (tmp_path / "docs" / "b").exists()


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, caplog):
    save(tmp_path, at(1))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, limit[1]))  # no file may be larger
        try:
            with pytest.raises(InputError) as error:
                checkpoints.save(at(2), CONFIG, {}, {})
                checkpoints.settle()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        message = one_line(error)
        assert not caplog.records
        expected = f"write checkpoint 2 to {tmp_path} .*File too large.*disk may be full"
        assert re.search(expected, message)
        assert checkpoints.steps() == [1]
        assert same(checkpoints.restore(TEMPLATE).state, arrays(at(1)))
        # Space was freed. Threads of the save that failed may still write, and make this one fail.
        for _ in range(5):
            with suppress(TransientError):
                checkpoints.save(at(2), CONFIG, {}, {})
                checkpoints.settle()
                break
        assert checkpoints.steps() == [2]
    assert same(load(tmp_path).state, arrays(at(2)))


def test_a_directory_that_cannot_be_made_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=f"{tmp_path}/file/checkpoints.*workdir") as error:
        Checkpoints(tmp_path / "file" / "checkpoints", keep=1)
    one_line(error)
