"""What a run writes down: JSON, npz, a line of metrics.jsonl for each record, its commit."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from iae_jax.errors import InputError


def open_folder(folder: Path, flag: str) -> None:
    """Makes the folder. Errors: InputError if nothing can be written there; `flag` says which
    other one could be chosen."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may probe too
    except OSError as error:
        raise InputError(
            f"cannot write in {folder} ({error.strerror}): choose another {flag}"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Atomically: a reader sees the old file or the new one."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Atomically; no NaN."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_npz(path: Path, **arrays: Any) -> None:
    """Atomically."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **arrays)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def commit() -> str:
    """The commit of the source tree this runs from, "-dirty" if its code is changed since, or
    "unknown" for an installed package or without git. Records and their pictures are not code: a
    run that writes them does not change what the next one is made of."""
    here = Path(__file__).resolve().parents[2]

    if not (here / ".git").exists():  # else it would be that of a project around it
        return "unknown"

    def git(*words: str) -> str:
        command = ["git", "-C", str(here), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    written = (":!results", ":!docs", ":!RESULTS.md")
    try:
        found = git("describe", "--always")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *written)
    except OSError:
        return "unknown"
    return (f"{found}-dirty" if changed else found) or "unknown"


def _whole(line: bytes) -> bool:
    """Whether it is a record: what a machine that died, or another program, has left is none."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


class Journal:
    """metrics.jsonl: one line per record. Lines beyond the checkpoint that a run resumes from are
    cut, so that every line is there exactly once."""

    def __init__(self, path: Path, lines: int):
        self.path = path
        there = path.read_bytes().splitlines(keepends=True)[:lines] if path.exists() else []
        kept = [line.decode() for line in there if _whole(line)]
        write_text(path, "".join(kept))
        self.lines = len(kept)

    def write(self, record: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a checkpoint will count it
        self.lines += 1

    def records(self) -> list[dict[str, Any]]:
        lines = self.path.read_bytes().splitlines(keepends=True)
        return [json.loads(line) for line in lines if _whole(line)]
