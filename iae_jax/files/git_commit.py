"""The git commit of the source tree that this process runs from."""

import subprocess
from pathlib import Path


def git_commit() -> str:
    """The commit, with "-dirty" if the code has been changed since; "unknown" without git.

    An installed package has no commit. Records and figures are no code: a run that writes them does
    not make the next run's commit dirty.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # git would answer for a repository that contains this one
        return "unknown"

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    outputs = (":!results", ":!docs", ":!RESULTS.md")
    try:
        name = git("describe", "--always")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *outputs)
    except OSError:
        return "unknown"
    return (f"{name}-dirty" if changed else name) or "unknown"
