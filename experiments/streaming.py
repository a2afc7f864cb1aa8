"""Streaming a data set from the disk: bits as from memory, and the memory that a run takes.

    python -m experiments.streaming

170,000 synthetic images of 64x64x3 (2.1 GB decoded, and as much on the disk while this runs) are
trained on three times, each time for a little more than an epoch: streamed; streamed, stopped
half-way and resumed; and resident in memory. The last checkpoints are compared bit for bit. Memory
is the largest that a run's process held; for the resumed run, its second process.

Expected: 14 minutes on one core of a fast machine with another run beside it.
"""

import io
import signal
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from experiments.soak import bits_lost, end, final_state, output_of, start, wait_until
from iae_jax.devices.multihost import cores
from iae_jax.errors import EXIT_USER, InputError
from iae_jax.files.atomic import open_folder
from iae_jax.files.git_commit import git_commit
from iae_jax.files.installed import versions
from iae_jax.records.parser import Parser
from iae_jax.records.record import Trainings, record, summary, write_records
from iae_jax.records.references import Headline, Reference
from iae_jax.records.results import read
from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.shared_config import shared_digest

CONFIG = "experiments/streaming.py"
SIDE, IMAGES, LIMIT_SECONDS = 64, 170_000, 1800
REFERENCES = {
    ("peak_host_megabytes", "streamed"): Reference(4096, "lower", "aim"),
    "bits_lost": Reference(0, "lower", "aim"),
}
HEADLINE = (
    Headline("memory of a run whose images are 2.1 GB (MB)", "peak_host_megabytes", "streamed"),
)


def get_config() -> Config:
    """A small IAE of colour images, for which reading the set costs more than the steps."""
    config = Config(steps=1400, batch_size=128)
    config.data.name = "images:images.zip"  # measure() says where
    config.data.train, config.data.validation = "train[1000:]", "train[:1000]"
    config.data.test = "train[:1000]"
    for player in config.players:
        player.network.width, player.network.hidden = 4, 32
    config.run.devices = 1
    config.run.log_steps, config.run.checkpoint_steps, config.run.steps_per_call = 20, 20, 20
    config.run.validate_steps = config.run.figure_steps = config.steps
    return config


def make(path: Path, images: int) -> None:
    """Writes a zip of so many noisy images, each of its own colour, without compression."""
    from PIL import Image

    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for number in range(images):
            noise = rng.integers(0, 64, (SIDE, SIDE, 3), dtype=np.uint8)
            encoded = io.BytesIO()
            Image.fromarray(noise + rng.integers(0, 192, 3, dtype=np.uint8)).save(encoded, "bmp")
            file.writestr(f"{number:06d}.bmp", encoded.getvalue())


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def trained(workdir: Path, words: list[str], half: int = 0) -> dict[str, Any]:
    """Trains a run.

    Args:
      workdir: of the run.
      words: more flags of the launcher.
      half: if not 0, the run is stopped after so many lines of metrics and then resumed.

    Returns:
      its run.json.

    Raises:
      InputError: it fails.
    """
    if half:
        running = start(workdir, 1, words, CONFIG)
        wait_until(
            lambda: running[0].poll() is not None or lines(workdir / "metrics.jsonl") >= half,
            LIMIT_SECONDS,
        )
        running[0].send_signal(signal.SIGTERM)
        status = end(running, workdir, LIMIT_SECONDS)
        saved = list(workdir.glob("checkpoints/*/commit_success.txt"))
        if status != [128 + signal.SIGTERM] or not saved:
            raise InputError(
                f"the run was to be stopped and resumed, and ended with {status} before: give more "
                "--steps"
            )
    if end(start(workdir, 1, words, CONFIG), workdir, LIMIT_SECONDS) != [0]:
        output = output_of(workdir, 0).read_text().splitlines()
        raise InputError(f"the run {workdir.name} failed: {(output or ['no message'])[-1]}")
    return read(workdir / "run.json")


def measure(images: int, steps: int, where: Path | None) -> list[dict[str, Any]]:
    """The records of all three runs. where: a folder with room for them."""
    config, source, records = get_config(), git_commit(), []
    config.steps = steps
    half = steps // config.run.log_steps // 2
    kinds = {"streamed": (0, 0), "streamed_and_resumed": (0, half), "resident": (2**20, 0)}
    states: list[list[np.ndarray]] = []
    with tempfile.TemporaryDirectory(dir=where) as folder:
        path = Path(folder) / "images.zip"
        print(f"writing {images} images to {path}", file=sys.stderr)
        make(path, images)
        for name, (megabytes, stopped) in kinds.items():
            print(name, file=sys.stderr)
            words = [
                f"--config.data.name=images:{path}",
                f"--config.steps={steps}",
                f"--config.run.resident_megabytes={megabytes}",
            ]
            since = time.perf_counter()
            run = trained(Path(folder) / name, words, stopped)
            seconds = round(time.perf_counter() - since, 1)
            states.append(final_state(Path(folder) / name, config, (SIDE, SIDE, 3)))
            values = {
                "peak_host_megabytes": run["peak_host_megabytes"],
                "set_megabytes": images * SIDE * SIDE * 3 / 2**20,
                "steps_per_second": run["steps_per_second"],
                "bits_lost": bits_lost(states[-1], states[0]),
            }
            trainings = Trainings(
                [config.seed],
                f"python -m experiments.streaming --images={images} --steps={steps}",
                [seconds],
                f"1 x cpu, {cores()} cores",
                source,
                shared_digest(to_dict(config)),
                versions(),
            )
            records += [
                record(metric, name, [float(value)], images, "", trainings)
                for metric, value in values.items()
                # A run of few steps has no speed: every call of it compiles.
                if value is not None and (name, metric) != ("streamed", "bits_lost")
            ]
    return records


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.streaming", allow_abbrev=False)
    parser.add_argument("--images", type=int, default=IMAGES, help=f"of the set ({IMAGES})")
    steps = get_config().steps
    parser.add_argument("--steps", type=int, default=steps, help=f"of each run ({steps})")
    parser.add_argument("--folder", type=Path, help="with room for the set (the system's own)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the records")
    try:
        options = parser.parse_args(arguments)
        if options.images < 2000 or options.steps < 40:
            raise InputError("--images is at least 2000 and --steps at least 40")
        open_folder(options.results, "--results")
        if options.folder:
            open_folder(options.folder, "--folder")
        records = measure(options.images, options.steps, options.folder)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER
    whole = (options.images, options.steps) == (IMAGES, steps)
    write_records(options.results, "streaming", records, ".json" if whole else ".partial.json")
    print(summary(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
