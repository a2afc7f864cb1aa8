"""Damaged files, files that cannot be read at present, and files that another job writes; nothing
is lost of the last two."""

import hashlib
import shutil

import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath
from states import CONFIG, TEMPLATE, arrays, at, load, one_line, same, save

from iae_jax.errors import InputError
from iae_jax.files import checksums
from iae_jax.runs.checkpoint import Checkpoints
from iae_jax.runs.orbax_manager import quiet_orbax


@pytest.fixture(autouse=True)
def quiet():
    with quiet_orbax():
        yield


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    directory = tmp_path_factory.mktemp("two")
    save(directory, at(1, seed=1), at(2, seed=2))
    return directory


def test_files_are_those_of_sha256sum(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"abc")
    for manifest in ("files.json", ".files.json.123.part"):  # the second is being written
        (tmp_path / manifest).write_bytes(b"")
    # FIPS 180-2, appendix B.1.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checksums.of_files(epath.Path(tmp_path)) == {"a/b": expected}


def test_arrays_of_the_same_bytes_differ_by_type_and_shape():
    one = np.arange(6, dtype=np.int32)
    found = {checksums.of_array(other) for other in (one, one.view(np.uint32), one.reshape(2, 3))}
    assert len(found) == 3
    written = hashlib.sha256(b"int32[6]" + one.tobytes()).hexdigest()
    assert checksums.of_array(one) == written


@pytest.mark.parametrize(("what", "killed"), [("state", 0), ("files.json", 0), ("state", 1)])
def test_a_file_that_may_not_be_read_is_not_damaged(
    two, tmp_path, monkeypatch, what, killed, caplog
):
    """Not even without a manifest, of a run that was killed right after a save."""
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    if killed:
        (tmp_path / "2" / "files.json").unlink()
    before = sorted(path for path in tmp_path.rglob("*"))
    kind, own = type(epath.Path(tmp_path)), type(epath.Path(tmp_path)).read_bytes

    def refused(path):
        if what in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return own(path)

    with monkeypatch.context() as patched:
        patched.setattr(kind, "read_bytes", refused)
        with pytest.raises(InputError, match="cannot read .*Permission denied") as error:
            load(tmp_path)
        assert "same command" in one_line(error) and not caplog.records
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert same(load(tmp_path).state, arrays(at(2, seed=2)))


@pytest.mark.parametrize("part", ["record", "state"])
def test_a_store_that_does_not_answer_is_not_damage(two, tmp_path, monkeypatch, part, caplog):
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    own = ocp.CheckpointManager.restore

    def restore(manager, step, args):
        if part in args:
            raise ValueError("UNAVAILABLE: Error reading: HTTP 503")
        return own(manager, step, args=args)

    with monkeypatch.context() as patched:
        patched.setattr(ocp.CheckpointManager, "restore", restore)
        with pytest.raises(InputError, match="checkpoint [12] in .*HTTP 503") as error:
            load(tmp_path)
        one_line(error)
        assert not caplog.records
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.restore(TEMPLATE).step == 2


@pytest.mark.parametrize("name", ["3", "3.orbax-checkpoint-tmp"])
def test_what_another_job_has_saved_meanwhile_is_not_touched(tmp_path, name):
    """As in a store, which has no lock."""
    save(tmp_path / "theirs", at(3, seed=3))
    save(tmp_path / "ours", at(1))
    with Checkpoints(tmp_path / "ours", keep=2) as checkpoints:
        shutil.copytree(tmp_path / "theirs" / "3", tmp_path / "ours" / name)
        with pytest.raises(
            InputError, match=f"another job writes to .*{name} has appeared"
        ) as error:
            checkpoints.save(at(2), CONFIG, {}, {})
        one_line(error)
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == ["1", name]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Exception("403 Forbidden: no such bucket\nand more"), "403 Forbidden: no such bucket"),
        (OSError("Forbidden"), "Forbidden"),  # it has no `strerror`
        (ImportError("Please install gcsfs"), r"install gcsfs: install that.*iae_jax\[gcs\]"),
    ],
)
def test_a_store_that_refuses_is_one_line(tmp_path, monkeypatch, error, message):
    def mkdir(path, **options):
        raise error

    monkeypatch.setattr(type(epath.Path(tmp_path)), "mkdir", mkdir)
    with pytest.raises(InputError, match=message) as refused:
        Checkpoints(tmp_path / "a", keep=1)
    assert "None" not in one_line(refused) and "and more" not in str(refused.value)
