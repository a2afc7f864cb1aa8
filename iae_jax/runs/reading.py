"""The modes that read a trained run: what each does, and the flags that it has.

Nothing but the run's folder is needed: its config is in it. Where the images of a mode are not
named by --images, they are those of the run's own data set.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from absl import flags

from iae_jax.errors import InputError
from iae_jax.files.atomic import open_folder
from iae_jax.runs import tables, visualize
from iae_jax.runs.config import Config
from iae_jax.runs.evaluation import evaluate_run
from iae_jax.runs.export import export
from iae_jax.runs.loaded import model_of
from iae_jax.runs.request import Request

MAX_IMAGES = 10**7
READ = ("split", "images", "select")


class Mode(NamedTuple):
    """run: writes files and returns their paths. reads: its flags, beside those of all modes."""

    run: Callable[[Request], list[Path]]
    reads: tuple[str, ...]


MODES = {
    "sample": Mode(visualize.samples, ("count", "category", "format")),
    "reconstruct": Mode(visualize.reconstructions, ("count", *READ)),
    "interpolate": Mode(visualize.interpolations, ("count", *READ)),
    "traverse": Mode(visualize.traversals, ("count", *READ)),
    "encode": Mode(tables.codes, READ),
    "score": Mode(tables.scores, READ),
    "export": Mode(export, ()),
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
    "Other images to read, all that are there: images:PATH (a folder or zip), npz:PATH, or NAME or "
    "NAME:SPLIT of TFDS.",
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
_OUTPUT = flags.DEFINE_string("output", "", "Where a mode writes, if not in the workdir.")


def check_flags(mode: str) -> None:
    """Raises: InputError for a flag that the mode would ignore."""
    own = {"train": (), "evaluate": ("split", "checkpoint")}.get(mode)
    if own is None:
        own = (*MODES[mode].reads, "checkpoint", "output")
    every = ("checkpoint", "count", "category", "format", "output", *READ)
    for name in every:
        if flags.FLAGS[name].present and name not in own:
            known = [one for one, found in MODES.items() if name in found.reads]
            for_ = f"--mode={', '.join(known)}" if known else "the modes that read a trained run"
            raise InputError(f"--{name} is for {for_}, not for --mode={mode}: leave it out")
    if flags.FLAGS["images"].present and flags.FLAGS["split"].present:
        raise InputError("--split is of the run's own images: leave it or --images out")
    if flags.FLAGS["select"].present and flags.FLAGS["count"].present:
        raise InputError("--select says how many images: leave it or --count out")


def read(mode: str, config: Config, workdir: Path) -> None:
    """Does what a mode does, and prints the paths of the files it has written.

    Raises:
      InputError: the run or what is asked of it is not there.
    """
    if mode == "evaluate":
        evaluate_run(config, workdir, _CHECKPOINT.value, _SPLIT.value)
        return
    model = model_of(config, workdir, _CHECKPOINT.value)
    output = Path(_OUTPUT.value or workdir).expanduser()
    request = Request(
        model,
        output,
        _SPLIT.value,
        _IMAGES.value,
        tuple(_SELECT.value),
        _COUNT.value,
        _CATEGORY.value,
        _FORMAT.value,
    )
    made = [one for one in (output, *output.parents) if not one.exists()]
    open_folder(output, "--output")
    try:
        paths = MODES[mode].run(request)
    except BaseException:
        for path in made:
            with suppress(OSError):  # somebody else has put something in it
                path.rmdir()
        raise
    print(*paths, sep="\n")
