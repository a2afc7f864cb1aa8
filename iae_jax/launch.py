"""The command: `iae-jax --config=NAME --workdir=DIR`, or `python -m iae_jax.launch ...`.

--list shows the presets; the config can also be a file of yours, --config=NAME.py. --help_config
shows the fields that --config.FIELD=VALUE can set.

--mode=train (default; the same command resumes), or, of a trained run, whose folder has its config
(`iae-jax --workdir=DIR --mode=sample`): evaluate, sample, reconstruct, interpolate (between pairs
of images), traverse (one component of the code at a time, or every category), encode (all codes as
npz), score (a CSV with a line for each image), export (functions that JAX alone runs) or page (one
HTML file about the run, with sliders over its codes).

Exit codes: 0; 2 for what the user gave, after one line that says what to do; 75 for what may pass
by itself (a storage that does not answer, a full disk, processes that are late); 143 after SIGTERM
and 130 after SIGINT, once the steps under way are saved, or what is unfinished removed (a second
one ends it at once); 3, or 134 by JAX, when another process of the run has died. The same command
goes on where the run was (after 2 once that is mended).
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging import Formatter, LogRecord, getLogger
from pathlib import Path

import jax
from absl import app, flags, logging

from iae_jax import presets
from iae_jax.devices import multihost
from iae_jax.devices.parallel import keep_compiled
from iae_jax.errors import EXIT_TRANSIENT, EXIT_USER, InputError, first_line, may_pass
from iae_jax.files.installed import check_installed, stop_unless_installed
from iae_jax.files.version import VERSION
from iae_jax.presets.config_words import config_of as given_config
from iae_jax.presets.config_words import located, unknown_field
from iae_jax.runs import config as configs
from iae_jax.runs import reading
from iae_jax.runs.config_checks import MAX_SEEDS
from iae_jax.runs.config_help import config_help
from iae_jax.runs.console import log, show
from iae_jax.runs.evaluation import cache_of
from iae_jax.runs.interruption import Interrupted, unwound
from iae_jax.runs.orbax_manager import quiet_orbax
from iae_jax.runs.run_folder import folder_of
from iae_jax.runs.saved_config import config_of
from iae_jax.runs.train import train

try:
    from ml_collections import config_flags
except ModuleNotFoundError:
    stop_unless_installed()

MAX_PROCESSES, MAX_JOIN_SECONDS = 100_000, 86_400
MODES = ("train", "evaluate", *reading.MODES)

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "A preset, for example digits, or a file, for example experiments/digits.py; NAME:VARIANT for "
    "one of its variants. A file is Python that is run. --config.FIELD=VALUE changes a field.",
)
_LIST = flags.DEFINE_bool("list", False, "Show the presets, or with --config=NAME that one.")
_HELP_CONFIG = flags.DEFINE_bool("help_config", False, "Show every field of the config.")
_VERSION = flags.DEFINE_bool("version", False, "Show the version of the package.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Where the run lives; the same one resumes.")
_MODE = flags.DEFINE_enum("mode", "train", MODES, "What to do.")
flags.adopt_module_key_flags(reading)
_SEEDS = flags.DEFINE_integer(
    "seeds",
    None,
    "How many seeds from config.seed on are trained at once: for small problems. The same as "
    "--config.run.seeds.",
    lower_bound=1,
    upper_bound=MAX_SEEDS,
)
_ALLOW = flags.DEFINE_bool(
    "allow_config_change", False, "Go on with a run though its config has changed."
)
_PROFILE = flags.DEFINE_bool(
    "profile", False, "Trace one call of steps to WORKDIR/profile, for TensorBoard or Perfetto."
)


_DISTRIBUTED = flags.DEFINE_bool(
    "distributed",
    False,
    "Train with other processes, which Slurm, Open MPI or a TPU pod has "
    "started with the same command, or which the next three flags name.",
)
_COORDINATOR = flags.DEFINE_string("coordinator", "", "HOST:PORT of process 0.")
_PROCESSES = flags.DEFINE_integer(
    "processes", 0, "How many there are.", lower_bound=0, upper_bound=MAX_PROCESSES
)
_PROCESS = flags.DEFINE_integer(
    "process", -1, "Which one this is, from 0.", lower_bound=-1, upper_bound=MAX_PROCESSES
)
_JOIN = flags.DEFINE_integer(
    "join_seconds",
    300,
    "How long to wait for the others to start.",
    lower_bound=1,
    upper_bound=MAX_JOIN_SECONDS,
)

PEER_LOST = 3  # exit code


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise InputError(f"{argv[1]!r} is not a flag: write --name=value")
    if _VERSION.value or _LIST.value or _HELP_CONFIG.value:
        show(information())
        return
    config = given_config(flags.FLAGS)
    if not _WORKDIR.value or (config is None and _MODE.value == "train"):
        raise InputError("say what to run and where: --config=digits --workdir=DIR, or see --list")
    reading.check_flags(_MODE.value)
    workdir = folder_of(_WORKDIR.value)
    cache = None
    if config is None:
        # Whoever made the run may have named a folder of theirs: what is compiled there is run.
        config, cache = config_of(workdir), cache_of(configs.Config())
    if not isinstance(config, configs.Config):
        try:
            found = f"it returns {type(config.steps)}"
        except Exception as error:  # ml_collections hands over what went wrong, whatever it is
            found = str(error)
        raise InputError(
            f"cannot read --config ({found}): name a Python file whose get_config() returns an "
            "iae_jax.runs.config.Config"
        )
    if "://" in _WORKDIR.value:
        raise InputError(
            f"--workdir is a folder, not {_WORKDIR.value}: of a run, --config.run.checkpoints can "
            "be gs://BUCKET/FOLDER"
        )
    try:
        _WORKDIR.value.encode()  # Orbax would refuse it at the first save
    except UnicodeEncodeError as error:
        raise InputError(f"--workdir is a name in UTF-8, not {_WORKDIR.value!r}") from error
    several = _PROCESSES.value > 0 or _PROCESS.value >= 0
    if _DISTRIBUTED.value or _COORDINATOR.value or several:
        if _MODE.value != "train":
            raise InputError(f"--mode={_MODE.value} is for one process: leave --distributed out")
        multihost.join(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value, _JOIN.value, late)
    keep_compiled(cache or cache_of(config))
    if _MODE.value == "train":
        config.run.seeds = _SEEDS.value or config.run.seeds
        summary = train(config, workdir, _ALLOW.value, _PROFILE.value)
        if multihost.first() and summary.figure is not None:
            print(f"figure: {summary.figure}")
        return
    with unwound():
        reading.read(_MODE.value, config, workdir, _SEEDS.value)


def information() -> str:
    """What is asked for instead of a run."""
    if _VERSION.value:
        return f"iae_jax {VERSION}"
    if _HELP_CONFIG.value:
        return config_help()
    chosen = _CONFIG.value is not None and config_flags.get_config_filename(flags.FLAGS["config"])
    return presets.description(chosen) if chosen else presets.listing()


class _Plain(Formatter):
    """A warning as a line for whoever typed the command."""

    def format(self, record: LogRecord) -> str:
        return f"{record.levelname.lower()}: {record.getMessage()}"


@contextmanager
def quiet() -> Iterator[None]:
    """Without what libraries print beside their errors, which are raised too and take one line."""
    if flags.FLAGS["verbosity"].present:
        yield
        return
    before, tasks = logging.get_verbosity(), getLogger("asyncio")
    logging.set_verbosity(logging.WARNING)
    handler = logging.get_absl_handler().python_handler
    formatter = handler.formatter
    handler.setFormatter(_Plain())
    # Of a save that fails, Orbax leaves tasks that nobody awaits: asyncio would print each of them.
    level = tasks.level
    tasks.setLevel("CRITICAL")
    try:
        with quiet_orbax():
            yield
    finally:
        tasks.setLevel(level)
        handler.setFormatter(formatter)
        logging.set_verbosity(before)


def guarded(argv: list[str]) -> None:
    """main, with errors that the user can mend as one line."""
    with quiet():
        _guarded(argv)


def _guarded(argv: list[str]) -> None:
    try:
        main(argv)
    except InputError as error:
        fail(str(error), EXIT_TRANSIENT if may_pass(error) else EXIT_USER)
    except OSError as error:
        place = f"a file in {_WORKDIR.value}" if _WORKDIR.value else "a file"
        what = f"{error.filename or place}: {error.strerror or error}"
        code = EXIT_TRANSIENT if may_pass(error) else EXIT_USER
        fail(f"{what}: mend that, then the same command", code)
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        line, own = first_line(error), isinstance(error, MemoryError)
        # Some backends call it an internal error.
        if not own and not re.search("RESOURCE_EXHAUSTED|out of memory", str(error), re.I):
            raise
        smaller = "--config.run.microbatches=2 or more, or a smaller batch_size or network"
        fail(
            f"the device's memory is too small ({line}): use "
            + (smaller if _MODE.value == "train" else "fewer or smaller images")
        )
    except Interrupted as stopped:
        log(str(stopped))
        sys.exit(stopped.code)
    except KeyboardInterrupt:
        resumes = ": the same command resumes" if _MODE.value == "train" else ""
        print(f"interrupted{resumes}", file=sys.stderr)
        sys.exit(130)
    except multihost.PeerLost as error:
        print(
            f"error: another process has died, or a device has failed ({error}): the same "
            "commands resume",
            file=sys.stderr,
            flush=True,
        )
        multihost.leave(PEER_LOST)


def late() -> None:
    """Ends this process, whose main thread waits inside JAX."""
    said = f"the other processes did not come within --join_seconds={_JOIN.value}"
    print(f"error: {said}: the same commands again", file=sys.stderr, flush=True)
    multihost.leave(EXIT_TRANSIENT)


def fail(message: str, code: int = EXIT_USER) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)


def said(error: Exception) -> str:
    """What an error says, without the traceback that ml_collections puts before a config's own."""
    text = str(error)
    if "get_config() takes 0 positional" in text:
        return "this config has no variants: leave out the colon and what follows it"
    if "Traceback" not in text:
        return text
    return text.strip().splitlines()[-1].removeprefix(f"{InputError.__module__}.InputError: ")


def parse(argv: list[str]) -> list[str]:
    """Flags, with a bad one said in one line."""
    if {"--help", "-h", "--helpshort"} & set(argv[1:]):
        # absl would show the flags of the main module only, which is not this one for `iae-jax`.
        name = sys.argv[0] if __name__ == "__main__" else __name__
        print(__doc__, flags.FLAGS.module_help(name), sep="\n")
        sys.exit(0)
    try:
        check_installed()
        argv, folders = located(argv)
    except InputError as error:
        fail(str(error))
    # Configs import their neighbours, and name them in kinds; a console script's path begins with
    # its own folder.
    for folder in (*folders, str(Path.cwd())):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        return flags.FLAGS(argv)
    except (flags.Error, InputError) as error:
        fail(said(error))
    except (KeyError, AttributeError) as error:
        # ml_collections names a field that is not there by its last part alone.
        fail(unknown_field(argv) or said(error))
    except (OSError, ImportError, SyntaxError, NameError, TypeError, ValueError) as error:
        fail(f"cannot read --config: {said(error)}")
    raise AssertionError("fail() exits")


def run() -> None:
    """The console script `iae-jax`."""
    app.run(guarded, flags_parser=parse)


if __name__ == "__main__":
    run()
