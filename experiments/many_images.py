"""What a trained model takes for many images: time and memory of embeddings, scores and samples.

    python -m experiments.many_images

A folder of 200,000 synthetic PNGs of 32x32x3 with words as labels in `labels.csv`; a short training
on them, whose quality is of no interest; `--mode=encode` and `--mode=score` of all images, and
50,000 samples as PNGs. Each is a process of its own, as a user starts it. The files are checked: a
row for each image, in order, with its name and class. Memory is the largest that a process held.

Expected: half an hour on 2 CPU cores.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from iae_jax.devices.multihost import cores
from iae_jax.errors import EXIT_USER, InputError
from iae_jax.files.atomic import open_folder
from iae_jax.files.git_commit import git_commit
from iae_jax.files.installed import versions
from iae_jax.presets import digits
from iae_jax.records.parser import Parser
from iae_jax.records.record import Trainings, record, summary, write_records
from iae_jax.records.references import Headline, Reference
from iae_jax.records.variants import changed_config
from iae_jax.runs.config import to_dict
from iae_jax.runs.shared_config import shared_digest

SIDE, IMAGES, SAMPLES, STEPS = 32, 200_000, 50_000, 50
CHANGES = (f"steps={STEPS}", "encoder.network.width=4", "generator.network.width=4")  # of digits
WORDS = ("beech", "oak", "rowan")  # the classes, in their order
MODES = ("encode", "score", "sample")
REFERENCES = {("peak_host_megabytes", mode): Reference(2048, "lower", "aim") for mode in MODES}
HEADLINE = (Headline("memory to score 200,000 images (MB)", "peak_host_megabytes", "score"),)


class Cost(NamedTuple):
    seconds: float
    megabytes: float


def make(folder: Path, images: int) -> None:
    """Writes so many PNGs, each of a colour of its own with some noise, and labels.csv."""
    from PIL import Image

    rng = np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["file", "label"])
        for number in range(images):
            noise = rng.integers(0, 32, (SIDE, SIDE, 3), dtype=np.uint8)
            name = f"{number:06d}.png"
            shown = Image.fromarray(noise + rng.integers(0, 224, 3, dtype=np.uint8))
            shown.save(folder / name, compress_level=1)
            lines.writerow([name, word_of(number)])


def word_of(number: int) -> str:
    """Not in turn, so that a row that is out of place is seen."""
    return WORDS[number * number % 7 % len(WORDS)]


def launched(*words: str) -> Cost:
    """What a command of the launcher takes; memory is at least what this process has had, as Linux
    counts. Raises: InputError if it fails."""
    since = time.perf_counter()
    command = [sys.executable, "-m", "iae_jax.launch", *words]
    with tempfile.TemporaryFile() as said:
        running = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().splitlines()[-1:]
            raise InputError(f"{' '.join(words[-2:])} failed: {' '.join(last)}")
    # Linux counts kilobytes, macOS bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Cost(round(time.perf_counter() - since, 1), usage.ru_maxrss / unit)


def check(output: Path, images: int, samples: int) -> None:
    """Raises: InputError if a row of what was written is not of its image."""
    numbers = range(images)
    names = [f"{number:06d}.png" for number in numbers]
    with np.load(output / "codes_images.npz") as codes:
        classes = codes["class_names"][codes["labels"]].tolist()
        right = codes["names"].tolist() == names and len(codes["vector"]) == images
    right = right and classes == [word_of(number) for number in numbers]
    with (output / "scores_images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = right and [row["name"] for row in rows] == names
    right = right and [row["class"] for row in rows] == classes
    if not right or len(list((output / "samples").glob("*.png"))) != samples:
        raise InputError("rows of the files do not belong to their images: report this")


def measure(images: int, samples: int, where: Path | None) -> dict[str, Cost]:
    """mode -> what it takes, and the training. where: a folder with room for the images."""
    with tempfile.TemporaryDirectory(dir=where) as room:
        folder, run = Path(room) / "images", Path(room) / "run"
        folder.mkdir()
        print(f"writing {images} images to {folder}", file=sys.stderr)
        make(folder, images)
        fields = [f"--config.{change}" for change in (f"data.name={folder}", *CHANGES)]
        found = {"train": launched("--config=digits", f"--workdir={run}", *fields)}
        flags = {"sample": [f"--count={samples}", "--format=png"]}
        for mode in MODES:
            print(mode, file=sys.stderr)
            words = flags.get(mode, [f"--images={folder}"])
            found[mode] = launched(f"--workdir={run}", f"--mode={mode}", *words)
        check(run, images, samples)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.many_images", allow_abbrev=False)
    parser.add_argument("--images", type=int, default=IMAGES, help=f"to read ({IMAGES})")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"to draw ({SAMPLES})")
    parser.add_argument("--folder", type=Path, help="with room for the images (the system's own)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the records")
    try:
        options = parser.parse_args(arguments)
        if options.images < 200 or options.samples < 1:
            raise InputError("--images is at least 200 and --samples at least 1")
        open_folder(options.results, "--results")
        if options.folder:
            open_folder(options.folder, "--folder")
        source = git_commit()
        found = measure(options.images, options.samples, options.folder)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER
    whole = (options.images, options.samples) == (IMAGES, SAMPLES)
    flags = "" if whole else f" --images={options.images} --samples={options.samples}"
    # Wherever the images were.
    config = changed_config(digits, "", ("data.name=images", *CHANGES))
    records = []
    for name, cost in found.items():
        trainings = Trainings(
            [0],
            f"python -m experiments.many_images{flags}",
            [cost.seconds],
            f"1 x cpu, {cores()} cores",
            source,
            shared_digest(to_dict(config)),
            versions(),
        )
        count = options.samples if name == "sample" else options.images
        for metric, value in (
            ("peak_host_megabytes", cost.megabytes),
            ("seconds", cost.seconds),
        ):
            records.append(record(metric, name, [value], count, "", trainings))
    write_records(options.results, "many_images", records, ".json" if whole else ".partial.json")
    print(summary(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
