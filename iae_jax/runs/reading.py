"""The modes that read a trained run: what each does, and the flags that it has.

Nothing but the run's folder is needed: its config is in it. Where the images of a mode are not
named by --images, they are those of the run's own data set.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from absl import flags

from iae_jax.data.limits import Limits
from iae_jax.data.reading import Reading
from iae_jax.data.sources import is_files, kind_of
from iae_jax.errors import InputError
from iae_jax.files.atomic import open_folder
from iae_jax.runs import tables, visualize
from iae_jax.runs.config import Config
from iae_jax.runs.evaluation import evaluate_run
from iae_jax.runs.export import export
from iae_jax.runs.images import READING_FLAGS
from iae_jax.runs.ledger import ledger_of
from iae_jax.runs.loaded import model_of
from iae_jax.runs.request import Request
from iae_jax.runs.run_folder import check_no_links, folder_of
from iae_jax.runs.run_page import run_page
from iae_jax.runs.saved_config import config_of

MAX_IMAGES = 10**7
OWN = ("split", "data", "directory", "labels")  # flags of the run's own images
READ = ("images", "select", "limits", *dict.fromkeys((*OWN, *READING_FLAGS)))
NOTED = ("test_reads", "read_as")  # flags of the ledger of the test split
TRAINING = ("seeds", "profile", "allow_config_change")  # flags of a training alone


class Mode(NamedTuple):
    """run: writes files and returns their paths. reads: its flags, beside those of all modes."""

    run: Callable[[Request], list[Path]]
    reads: tuple[str, ...]


MODES = {
    "sample": Mode(visualize.samples, ("count", "category", "format")),
    "reconstruct": Mode(visualize.reconstructions, ("count", *READ)),
    "interpolate": Mode(visualize.interpolations, ("count", *READ)),
    "traverse": Mode(visualize.traversals, ("count", *READ)),
    "encode": Mode(tables.codes, (*READ, *NOTED)),
    "score": Mode(tables.scores, (*READ, *NOTED)),
    "export": Mode(export, ()),
    "page": Mode(run_page, ()),
}

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "latest", "Of a trained run: latest, best (by validation), or a step."
)
_SPLIT = flags.DEFINE_enum(
    "split", "test", ("train", "validation", "test"), "Whose images of the run's own are read."
)
_IMAGES = flags.DEFINE_string(
    "images",
    "",
    "Other images to read, all that are there: photos/ or images:PATH (a folder or zip), set.npz "
    "or npz:PATH, NAME or NAME:SPLIT of TFDS, or MODULE:NAME, a function of one's own, of which "
    "the split test is read.",
)
_SELECT = flags.DEFINE_list(
    "select", [], "Which of the images: indices from 0, or names of files, with commas."
)
_COUNT = flags.DEFINE_integer(
    "count",
    None,
    "How many to sample or reconstruct (64); rows of other pictures (12), of which "
    "traverse has one for each component of a vector.",
    lower_bound=1,
    upper_bound=MAX_IMAGES,
)
_CATEGORY = flags.DEFINE_integer("category", None, "The category of all samples.", lower_bound=0)
_FORMAT = flags.DEFINE_enum(
    "format", "npz", ("npz", "png"), "Samples as one npz, or as a folder of PNGs."
)
_SIZE = flags.DEFINE_integer(
    "size", 0, "The side to which the files of --images are cropped and resized.", lower_bound=0
)
_ARRAYS = flags.DEFINE_string(
    "arrays", "", "Which array of an npz of --images is which: images=NAME,labels=NAME."
)
_LABELS = flags.DEFINE_string(
    "labels", "", "A file of labels for --images, or of --data: CSV, JSON, npy."
)
_LABEL_PATTERN = flags.DEFINE_string(
    "label_pattern", "", "A regular expression whose group is the label in a path of --images."
)
_LIMITS = flags.DEFINE_list(
    "limits", [], "What files of images may have at most, as pixels=NUMBER: see run.limits."
)
_DATA = flags.DEFINE_string(
    "data", "", "Where the files of the run's own data set lie now, if they were moved."
)
_DIRECTORY = flags.DEFINE_string(
    "directory", "", "Where TFDS keeps its data sets, if not where they were in the training."
)
_TEST_READS = flags.DEFINE_string(
    "test_reads", "", "The file that notes measurements on the test split, if not of the workdir."
)
_READ_AS = flags.DEFINE_string(
    "read_as", "", "EXPERIMENT:VARIANT, what --test_reads calls the model."
)
_OUTPUT = flags.DEFINE_string("output", "", "Where a mode writes, if not in the workdir.")


def check_flags(mode: str) -> None:
    """Raises: InputError for a flag that the mode would ignore."""
    reads = {
        "train": TRAINING,
        "evaluate": (*OWN, *NOTED, "checkpoint", "seeds", "limits", "output"),
    } | {name: (*found.reads, "checkpoint", "output") for name, found in MODES.items()}
    for name in dict.fromkeys(flag for own in reads.values() for flag in own):
        if flags.FLAGS[name].present and name not in reads[mode]:
            known = [one for one, own in reads.items() if name in own]
            raise InputError(
                f"--{name} is for --mode={', '.join(known)}, not for --mode={mode}: leave it out"
            )
    for name in ("images", "select", "data", "output", "directory", "labels", "test_reads"):
        if flags.FLAGS[name].present and not flags.FLAGS[name].value:
            raise InputError(f"--{name} is empty: say what it is, or leave it out")
    for name in ("split", "data"):
        if flags.FLAGS["images"].present and flags.FLAGS[name].present:
            raise InputError(f"--{name} is of the run's own images: leave it or --images out")
    for name in READING_FLAGS:
        needed = ("images", "data") if name == "labels" else ("images",)
        if flags.FLAGS[name].present and not any(flags.FLAGS[one].value for one in needed):
            raise InputError(f"--{name} is of --images, and the run's own are read as in training")
    if flags.FLAGS["select"].present and flags.FLAGS["count"].present:
        raise InputError("--select says how many images: leave it or --count out")


def set_limits(limits: Limits, words: list[str]) -> None:
    """Sets limits as --limits says, FIELD=NUMBER each. Raises: InputError."""
    for word in words:
        field, _, number = word.partition("=")
        if field not in asdict(limits) or not re.fullmatch("[1-9][0-9]{0,17}", number):
            raise InputError(
                f"--limits is a list of {'=NUMBER, '.join(asdict(limits))}=NUMBER, not {word!r}"
            )
        setattr(limits, field, int(number))


def read(mode: str, config: Config, workdir: Path, seeds: int | None = None) -> None:
    """Does what a mode does, and prints the paths of the files it has written.

    seeds: how many the run is said to have.

    Raises:
      InputError: the run or what is asked of it is not there.
    """
    check_no_links(workdir)
    if (workdir / "config.json").is_file():
        config.run.seeds = config_of(workdir).run.seeds
    if seeds not in (None, config.run.seeds):
        raise InputError(
            f"--seeds is of a training, and this run has {config.run.seeds}: leave it out"
        )
    if _DATA.value:
        if not is_files(config.data.name):
            raise InputError(
                f"--data is the place of files, and this run is of {config.data.name}: leave it out"
            )
        if not is_files(_DATA.value):
            raise InputError(f"--data={_DATA.value} is no path: write --data={_DATA.value}/")
        config.data.name, config.data.labels = _DATA.value, _LABELS.value or config.data.labels
    if _DIRECTORY.value:
        images = _IMAGES.value or config.data.name
        if kind_of(images) in ("images", "npz", "planar"):
            raise InputError(f"--directory is of data sets of TFDS, and {images} is none: leave it")
        config.data.directory = _DIRECTORY.value
    set_limits(config.run.limits, _LIMITS.value)
    # Where a mode writes elsewhere, the run's folder may be somebody's who lets it be read alone.
    output = folder_of(_OUTPUT.value or workdir)
    ledger = ledger_of(output, _TEST_READS.value, _READ_AS.value)
    if mode == "evaluate":
        evaluate_run(config, workdir, _CHECKPOINT.value, _SPLIT.value, ledger, output)
        return
    model = model_of(config, workdir, _CHECKPOINT.value)
    request = Request(
        model,
        output,
        _SPLIT.value,
        _IMAGES.value,
        tuple(_SELECT.value),
        _COUNT.value,
        _CATEGORY.value,
        _FORMAT.value,
        ledger,
        Reading(_LABEL_PATTERN.value, labels=_LABELS.value, size=_SIZE.value, arrays=_ARRAYS.value),
        workdir,
    )
    made = [one for one in (output, *output.parents) if not one.exists()]
    open_folder(output, "--output")
    try:
        if set(NOTED) <= set(MODES[mode].reads) and request.measures_test:
            ledger.check()
        paths = MODES[mode].run(request)
    except BaseException:
        for path in made:
            with suppress(OSError):  # somebody else has put something in it
                path.rmdir()
        raise
    print(*paths, sep="\n")
