"""Folders for what is run or believed: who else could write there, or replace them."""

import os
from pathlib import Path

import pytest

from iae_jax.errors import InputError
from iae_jax.files.own_folder import own_folder
from iae_jax.runs.config import Config
from iae_jax.runs.evaluation import cache_of


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="not a POSIX system")
@pytest.mark.parametrize(("mode", "refused"), [(0o777, True), (0o1777, False), (0o775, False)])
@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_that_anybody_can_replace_is_refused(tmp_path, mode, refused, linked):
    """By another one, as long as the folder above it, or above a link to it, lets everybody move
    what is there."""
    above, folder = tmp_path / "above", tmp_path / "above" / "own"
    above.mkdir()
    if linked:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    own_folder(folder / "cache", "flag")
    above.chmod(mode)
    if refused:
        with pytest.raises(InputError, match=f"chmod o-w {above}, or choose another flag$"):
            own_folder(folder / "cache", "flag")
    else:
        own_folder(folder / "cache", "flag")


def test_folders_above_are_made_for_this_user_alone(tmp_path):
    """Even where whatever is made may be written by everybody."""
    before = os.umask(0)
    try:
        own_folder(tmp_path / "a" / "b" / "c", "flag")
    finally:
        os.umask(before)
    for one in ("a", "a/b", "a/b/c"):
        assert (tmp_path / one).stat().st_mode & 0o777 == 0o700


def test_where_a_cache_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config = Config()
    for given, found in (
        ("", tmp_path / "home" / ".cache" / "iae_jax"),
        ("~/mine", tmp_path / "home" / "mine"),
        ("here/mine", tmp_path / "here" / "mine"),
        ("/mine", Path("/mine")),
    ):
        config.run.cache = given
        assert cache_of(config) == found
    config.run.cache = "~nobody-at-all/mine"
    with pytest.raises(InputError, match="~nobody-at-all/mine has no such home"):
        cache_of(config)
