"""A regular expression of the user, matched in a process of its own.

An expression such as ^((a+)+)_ takes longer than the age of the universe on a name of 40 letters,
and nothing stops `re` inside of a process. Other matchers are no way out: `regex` has a timeout and
copies what is repeated by a number, so that ((a{999}){999}){999} takes all memory; those that need
no time bound read other expressions.
"""

import json
import subprocess
import sys

from iae_jax.errors import InputError

CPU_SECONDS = 2  # of the other process, whose start is a fraction of one
SECONDS = 60  # by the clock, where others keep the processor busy, or a system does not count
MEGABYTES = 2048

# Nothing but the standard library, and no site: the start takes some ten milliseconds.
_CHILD = """
import json, re, sys
try:
    import resource
    for kind, most in (("CPU", int(sys.argv[1])), ("AS", int(sys.argv[2]) << 20), ("CORE", 0)):
        try:
            resource.setrlimit(getattr(resource, "RLIMIT_" + kind), (most, most))
        except (ValueError, OSError, AttributeError):
            pass  # a lower limit is there already, or the system has none of this kind
except ImportError:
    pass
pattern, texts = json.load(sys.stdin)
try:
    expression = re.compile(pattern)
    if not expression.groups:
        raise re.error("it has no group")
except (re.error, OverflowError, RecursionError, MemoryError) as error:
    print(json.dumps({"wrong": str(error) or type(error).__name__}))
else:
    found = map(expression.search, texts)
    print(json.dumps([one.group(1) or "" if one else "" for one in found]))
"""


def matches(texts: list[str], pattern: str) -> list[str]:
    """What the first group of the expression matches in each text, "" where it matches nothing.

    Raises:
      InputError: it is no expression with a group, or takes too much time or memory.
    """
    command = [sys.executable, "-I", "-S", "-c", _CHILD, str(CPU_SECONDS), str(MEGABYTES)]
    try:
        done = subprocess.run(
            command,
            input=json.dumps([pattern, texts]).encode(),
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(_endless(pattern, texts, f"{SECONDS} s")) from error
    except OSError as error:
        raise InputError(
            f"cannot start {sys.executable}, which matches label patterns ({error.strerror}): give "
            "the labels in a table (data.labels)"
        ) from error
    if done.returncode < 0:  # ended by a signal, as the system does at a limit
        raise InputError(_endless(pattern, texts, f"{CPU_SECONDS} s of processor time"))
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        why = f"more than {MEGABYTES} MB" if said[-1].startswith("MemoryError") else said[-1]
        raise InputError(
            f"the label pattern {pattern!r} cannot be matched ({why}): write a simpler one"
        )
    found = json.loads(done.stdout)
    if isinstance(found, dict):
        raise InputError(
            f"the label pattern {pattern!r} is no regular expression with a group "
            f"({found['wrong']}): " + r"write one such as _(\d+)\."
        )
    return list(found)


def _endless(pattern: str, texts: list[str], most: str) -> str:
    return (
        f"the label pattern {pattern!r} takes more than {most} on {len(texts)} names: write one "
        "without a repetition inside of a repetition"
    )
