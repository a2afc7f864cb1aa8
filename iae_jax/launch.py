"""The command: `python -m iae_jax.launch --config=experiments/NAME.py --workdir=DIR`.

--mode=train (default; the same command resumes), or, of a trained run, evaluate, sample,
reconstruct, interpolate (between pairs of images), traverse (one component of the code at a time,
or every category) or encode (all codes as npz).

Exit codes: 0; 2 for what the user gave, after one line that says what to do; 75 for what may pass
by itself (a storage that does not answer, a full disk, processes that are late); 143 after SIGTERM
and 130 after SIGINT, once the steps under way are saved (a second one ends it at once); 3, or 134
by JAX, when another process of the run has died. The same command goes on where the run was (after
2 once that is mended).
"""

import errno
import math
import sys
from logging import getLogger
from pathlib import Path

import jax
import numpy as np
from absl import app, flags, logging
from ml_collections import config_flags

from iae_jax.data import title
from iae_jax.devices import multihost as hosts
from iae_jax.devices.parallel import keep_compiled
from iae_jax.errors import EXIT_TRANSIENT, InputError, TransientError, first_line
from iae_jax.files.atomic import write_json
from iae_jax.metrics.evaluate import MOST_CODES, evaluate
from iae_jax.metrics.feature_classifier import Judge, judge_of
from iae_jax.metrics.hog import SMALLEST_SIDE, Descriptor, descriptor
from iae_jax.objectives.terms import at
from iae_jax.runs import config as configs
from iae_jax.runs import visualize as views
from iae_jax.runs.build import load_split, open_split
from iae_jax.runs.console import log
from iae_jax.runs.interruption import Interrupted
from iae_jax.runs.train import train
from iae_jax.runs.trained import trained

MOST_PROCESSES, MOST_JOIN_SECONDS, MOST_IMAGES = 100_000, 86_400, 10**7
MODES = ("train", "evaluate", "sample", "reconstruct", "interpolate", "traverse", "encode")

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "An experiment, for example experiments/digits.py; NAME.py:VARIANT for one of "
    "its variants. --config.FIELD=VALUE changes a field.",
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Where the run lives; the same one resumes.")
_MODE = flags.DEFINE_enum("mode", "train", MODES, "What to do.")
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "latest", "For the other modes: latest, best (by validation), or a step."
)
_SPLIT = flags.DEFINE_enum(
    "split", "test", ("train", "validation", "test"), "Whose images the other modes read."
)
_COUNT = flags.DEFINE_integer(
    "count",
    None,
    "How many to sample or reconstruct (64); rows of other pictures (12), of which "
    "traverse has one for each component of a vector.",
    lower_bound=1,
    upper_bound=MOST_IMAGES,
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
    "processes", 0, "How many there are.", lower_bound=0, upper_bound=MOST_PROCESSES
)
_PROCESS = flags.DEFINE_integer(
    "process", -1, "Which one this is, from 0.", lower_bound=-1, upper_bound=MOST_PROCESSES
)
_JOIN = flags.DEFINE_integer(
    "join_seconds",
    300,
    "How long to wait for the others to start.",
    lower_bound=1,
    upper_bound=MOST_JOIN_SECONDS,
)

PEER_LOST = 3  # exit code
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)
MOST_JUDGED_BYTES = 2**30  # of images that a judge learns from


def cache_of(config: configs.Config) -> Path:
    """Where judges and compiled programs are kept."""
    return Path(config.run.cache or Path.home() / ".cache" / "iae_jax")


def evaluate_run(config: configs.Config, workdir: Path, checkpoint: str, split: str) -> None:
    """Measures a trained run on a split; writes evaluation_SPLIT.json."""
    game, restored = trained(config, workdir, checkpoint)
    held_out, source = load_split(config, split), open_split(config, "train")
    classes, judge = source.classes, None
    generates = game.networks.generator is not None
    judged = config.run.judge and generates and classes is not None and classes > 1
    most = max(MOST_CODES, len(held_out.images))
    if judged:
        most = max(most, MOST_JUDGED_BYTES // math.prod(source.shape))
    # Not all may fit in memory. The judge of a part is the same for all seeds.
    rng = np.random.default_rng(0 if judged else config.seed)
    train_set = source.read(np.sort(rng.permutation(len(source))[:most]))
    if judged:
        assert classes is not None
        test = load_split(config, "test")
        judge = judge_of(title(config.data.name), train_set, test, cache_of(config), classes)
        log(f"judge: {judge.extractor}, test accuracy {judge.test_accuracy:.4f}")
    see: Judge | Descriptor | None = judge
    if judge is None and min(source.shape[:2]) >= SMALLEST_SIDE:
        see = descriptor(source.shape)
    records = evaluate(
        game,
        restored.state.average,
        held_out.images,
        held_out.labels,
        split=split,
        seed=config.seed,
        noise_scale=at(game.noise_scale, restored.state.step),
        judge=see,
        config_hash=configs.digest(config),
        # A floor, and a probe, of the split itself would tell nothing.
        train=None if split == "train" else train_set,
        # Clusters have their names from another split than the one that is measured.
        validation=None if split == "validation" else load_split(config, "validation"),
    )
    path = workdir / f"evaluation_{split}.json"
    content = {
        "data": f"{config.data.name} {getattr(config.data, split)}",
        "checkpoint": checkpoint,
        "step": restored.step,
        # Without test images that have a label nobody knows it.
        "judge_test_accuracy": (
            judge.test_accuracy if judge and math.isfinite(judge.test_accuracy) else None
        ),
        "records": [record.to_json() for record in records],
    }
    write_json(path, content)
    for record in records:
        extractor = f"  {record.extractor}" if record.extractor else ""
        known = record.low is not None
        interval = f"  in {record.low:.4f} ... {record.high:.4f}" if known else ""
        print(f"{record.metric:32s} {record.value:10.4f}  n {record.n}{interval}{extractor}")
    print(path)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise InputError(f"{argv[1]!r} is not a flag: write --name=value")
    config = _CONFIG.value
    if config is None or not _WORKDIR.value:
        raise InputError("say what to run and where: --config=experiments/digits.py --workdir=DIR")
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
    workdir, checkpoint = Path(_WORKDIR.value), _CHECKPOINT.value
    several = _PROCESSES.value > 0 or _PROCESS.value >= 0
    if _DISTRIBUTED.value or _COORDINATOR.value or several:
        if _MODE.value != "train":
            raise InputError(f"--mode={_MODE.value} is for one process: leave --distributed out")
        hosts.join(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value, _JOIN.value, late)
    keep_compiled(cache_of(config) / "compiled")
    if _MODE.value == "train":
        summary = train(config, workdir, _ALLOW.value, _PROFILE.value)
        if hosts.first():
            print(f"figure: {summary.figure}")
        return
    run, split = (config, workdir, checkpoint), _SPLIT.value
    count = _COUNT.value or (64 if _MODE.value in ("sample", "reconstruct") else 12)
    if _MODE.value == "evaluate":
        evaluate_run(*run, split)
        return
    if _MODE.value == "sample":
        paths = views.samples(*run, count)
    elif _MODE.value == "encode":
        paths = views.codes(*run, split)
    else:
        view = {
            "reconstruct": views.reconstructions,
            "interpolate": views.interpolations,
            "traverse": views.traversals,
        }[_MODE.value]
        paths = view(*run, split, count)
    print(*paths, sep="\n")


def guarded(argv: list[str]) -> None:
    """main, with what the user can mend said in one line."""
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
        # Of a save that fails, Orbax leaves tasks that nobody awaits: asyncio would print each of
        # them after the one line that says it.
        getLogger("asyncio").setLevel("CRITICAL")
    try:
        main(argv)
    except InputError as error:
        fail(str(error), EXIT_TRANSIENT if isinstance(error, TransientError) else 2)
    except OSError as error:
        what = f"{error.filename or f'a file in {_WORKDIR.value}'}: {error.strerror or error}"
        fail(
            f"{what}: mend that, then the same command",
            EXIT_TRANSIENT if error.errno in PASSING else 2,
        )
    except jax.errors.JaxRuntimeError as error:
        if not (line := first_line(error)).startswith("RESOURCE_EXHAUSTED"):
            raise
        smaller = "--config.run.pieces=2 or more, or a smaller batch_size or network"
        fail(
            f"the device's memory is too small ({line}): use "
            + (smaller if _MODE.value == "train" else "a smaller --count or part of the split")
        )
    except Interrupted as stopped:
        log(str(stopped))
        sys.exit(stopped.code)
    except KeyboardInterrupt:
        print("interrupted: the same command resumes", file=sys.stderr)
        sys.exit(130)
    except hosts.PeerLost as error:
        print(
            f"error: another process has died, or a device has failed ({error}): the same "
            "commands resume",
            file=sys.stderr,
            flush=True,
        )
        hosts.leave(PEER_LOST)


def late() -> None:
    """Ends this process, whose main thread waits inside JAX."""
    said = f"the other processes did not come within --join_seconds={_JOIN.value}"
    print(f"error: {said}: the same commands again", file=sys.stderr, flush=True)
    hosts.leave(EXIT_TRANSIENT)


def fail(message: str, code: int = 2) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)


def said(error: Exception) -> str:
    """What an error says, without the traceback that ml_collections puts before a config's own."""
    text = str(error)
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
    # Configs import their neighbours; a console script's path begins with its own folder.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return flags.FLAGS(argv)
    except (flags.Error, InputError) as error:
        fail(said(error))
    except (KeyError, AttributeError) as error:
        # ml_collections: a field that the config does not have.
        fail(f"{error.args[0]}: see the fields in iae_jax/runs/config.py")
    except (OSError, ImportError, SyntaxError, NameError, TypeError, ValueError) as error:
        fail(f"cannot read --config: {said(error)}")
    raise AssertionError("fail() exits")


def run() -> None:
    """The console script `iae-jax`."""
    app.run(guarded, flags_parser=parse)


if __name__ == "__main__":
    run()
