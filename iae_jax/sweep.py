"""Several variants of an experiment, several seeds each, as one command that can be broken off.

    python -m iae_jax.sweep mnist_reconstruction --variants=deterministic_20,vae_20 --seeds=3

Each run is a process of its own, of one seed or, where the experiment says so, of all. It is
trained (or resumed) and evaluated on the test split, of which results/test_reads.jsonl has a line
each time, and its numbers are added to results/EXPERIMENT.json at once. A seed that is there
already, with the variant's present config, is not run again. Runs lie in
runs/EXPERIMENT/VARIANT/SEED-CONFIG, so that those of an earlier config are left alone. --only=I is
the I-th run of the list alone, for a job array; the command without it draws the figures once all
are done.

    python -m iae_jax.sweep mnist_reconstruction --variants=vae_20 --grid code.size=5,10 \\
        --grid batch_size=32,64

takes every combination of these values of the config's fields and keeps its records in
runs/EXPERIMENT/ instead, as does the sweep of a preset or of a config file of one's own, with or
without VARIANTS:

    python -m iae_jax.sweep digits --seeds=2
    python -m iae_jax.sweep my_config.py --seeds=2 --random=20 --range code.size=2..20 \\
        --range encoder.optimizer.rate=1e-4..1e-2:log --grid turns=alternating,simultaneous

--random=N takes N random combinations in place of all; which ones depends on --random_seed alone.
--split=validation measures on that split, for a setting that is to be chosen: the records lie in
runs/EXPERIMENT/validation/, and the test split is not read. --csv=PATH also writes the records as a
table with a row for each run.
"""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from iae_jax.data.splits import SPLITS
from iae_jax.errors import EXIT_TRANSIENT, EXIT_USER, InputError, TransientError, may_pass
from iae_jax.files.atomic import open_folder
from iae_jax.files.home import expanded
from iae_jax.files.installed import check_installed
from iae_jax.files.lock import lock
from iae_jax.records.csv_table import write_csv
from iae_jax.records.experiment_module import (
    config_of,
    declared,
    is_own,
    module_of,
    name_of,
    variants_in,
    word_of,
)
from iae_jax.records.merge import merge, replaced
from iae_jax.records.parser import Parser
from iae_jax.records.record import locked_records, read_records, summary
from iae_jax.records.results import collect
from iae_jax.records.search_space import Changes, combinations, drawn
from iae_jax.records.variants import (
    MODE_FILES,
    Run,
    done,
    draw,
    figure_modes,
    figures_of,
    runs_of,
    split_of,
)
from iae_jax.runs.config_checks import MAX_SEEDS
from iae_jax.runs.interruption import SIGNALS, Interrupted, awaited
from iae_jax.runs.ledger import FILE
from iae_jax.runs.run_folder import LOCK

FIGURE_IMAGES = 12  # of a figure's row
MAX_RANDOM = 10_000
EXIT_FAILED = 1  # a run failed
EXIT_INTERRUPTED = 130


def launch(module: ModuleType, run: Run, *words: str) -> None:
    """Runs the launcher in a process of its own.

    Raises:
      InputError: it failed; it has said why.
      Interrupted: this process got a signal, which was passed on and waited for.
    """
    command = [
        sys.executable,
        "-m",
        "iae_jax.launch",
        f"--config={word_of(module, run.variant)}",
        f"--workdir={run.workdir}",
        *run.flags,
        *words,
    ]
    # In a session of its own: Ctrl-C reaches it through this process, once.
    child = subprocess.Popen(command, start_new_session=True)
    with awaited(child.send_signal) as request:
        status = child.wait()
    if request.asked or status in (128 + number for number in SIGNALS):
        code = 128 + request.asked if request.asked else status
        raise Interrupted("interrupted: the same command continues", code)
    if status:
        # A process that nobody has sent a signal was mostly killed for want of memory.
        kind = TransientError if status == EXIT_TRANSIENT or status < 0 else InputError
        raise kind(f"{run.label}: the launcher ended with {status}")


def show(module: ModuleType, run: Run) -> None:
    """Makes what figures show of a run that was trained here."""
    figures = figures_of(module).values() if hasattr(module, "draw") else ()
    if any(run.variant in variants for variants in figures):
        for mode in figure_modes(module):
            if not (run.workdir / MODE_FILES[mode]).exists():
                # The first of its seeds is shown.
                one = run._replace(seeds=1)
                launch(module, one, f"--mode={mode}", f"--count={FIGURE_IMAGES}")


def wait_for(run: Run) -> None:
    """Waits until nobody trains in the workdir: a launcher continues when its sweep is killed."""
    busy = f"another process trains in {run.workdir}"
    try:
        lock(run.workdir / LOCK, wait=False, busy=busy).close()
    except InputError as error:
        print(f"{error}: waiting for it", file=sys.stderr)
        lock(run.workdir / LOCK, wait=True).close()


def perform(module: ModuleType, experiment: str, run: Run, directory: Path, split: str) -> None:
    """Trains, evaluates, and adds the numbers to the results."""
    name = name_of(module)
    run.workdir.mkdir(parents=True, exist_ok=True)
    with lock(run.workdir / ".lock", wait=False):
        wait_for(run)
        launch(module, run)
        # Noted by whoever measures, so that a sweep that is killed meanwhile loses nothing.
        reads = (f"--test_reads={directory / FILE}", f"--read_as={name}:{run.name}")
        noted = reads if split == "test" else ()
        launch(module, run, "--mode=evaluate", f"--split={split}", *noted)
        new = collect(experiment, run.variant, [run.workdir], run.name, split)
        with locked_records(directory, name) as records:
            if others := replaced(records, new):
                seeds = others[0]["seeds"]
                text = f"{run.name}: seeds {seeds} had another config and are replaced"
                print(text, file=sys.stderr)
            records[:] = merge(records, new)


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m iae_jax.sweep", allow_abbrev=False)
    parser.add_argument("experiment", help="a module of experiments/, a preset, or a config file")
    parser.add_argument("--variants", default="", help="separated by commas (all)")
    parser.add_argument("--seeds", type=int, help="how many (3, or the experiment's SEEDS)")
    parser.add_argument("--first_seed", type=int, help="(0, or the experiment's FIRST_SEED)")
    parser.add_argument("--only", type=int, default=-1, help="the number of one run, from 0")
    parser.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="FIELD=VALUE,VALUE",
        help="in every combination with the others",
    )
    parser.add_argument("--random", type=int, metavar="N", help="so many random combinations")
    parser.add_argument(
        "--range",
        action="append",
        default=[],
        metavar="FIELD=LOW..HIGH[:log]",
        help="where --random draws a number from; a whole one between whole ones",
    )
    parser.add_argument("--random_seed", type=int, default=0, help="of --random (0)")
    parser.add_argument("--split", choices=SPLITS, help="that is measured (the experiment's, test)")
    parser.add_argument("--draw", action="store_true", help="train nothing: draw what is here")
    parser.add_argument("--csv", type=expanded, metavar="PATH", help="a row for each run, too")
    parser.add_argument("--runs", type=expanded, default=Path("runs"), help="folder of the runs")
    elsewhere = (
        "or RUNS/EXPERIMENT with --grid, --random or a config that is no experiment; "
        "RUNS/EXPERIMENT/SPLIT with another --split"
    )
    parser.add_argument("--results", type=expanded, help=f"of the records (results, {elsewhere})")
    parser.add_argument("--figures", type=expanded, help=f"of the figure (docs, {elsewhere})")
    sys.path.insert(0, str(Path.cwd()))
    try:
        check_installed()
        return sweep(vars(parser.parse_args(arguments)))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_TRANSIENT if may_pass(error) else EXIT_USER
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        return stopped.code
    except KeyboardInterrupt:
        print("interrupted: the same command continues", file=sys.stderr)
        return EXIT_INTERRUPTED


def combinations_of(options: dict[str, Any]) -> list[Changes]:
    """Raises: InputError for --grid, --range or --random."""
    grid, ranges, count = options["grid"], options["range"], options["random"]
    if count is None:
        if ranges:
            raise InputError("--range is for --random=N: say how many")
        return combinations(grid)
    if not 1 <= count <= MAX_RANDOM or options["random_seed"] < 0:
        raise InputError(f"--random is from 1 to {MAX_RANDOM}, and --random_seed at least 0")
    return drawn(grid, ranges, count, options["random_seed"])


def sweep(options: dict[str, Any]) -> int:
    """The command with its flags parsed.

    Returns:
      The exit status: 0, EXIT_FAILED if a run failed, EXIT_TRANSIENT if all failures may pass by
      themselves.
    """
    experiment = options["experiment"]
    module = module_of(experiment)
    name, changes = name_of(module), combinations_of(options)
    folder, searched = options["runs"] / name, changes != [()]
    elsewhere = folder if searched or is_own(module) else None
    split = options["split"] or split_of(module)
    if split != split_of(module):
        if options["results"]:
            raise InputError(
                f"--results is of the {split_of(module)} split, and records of another one lie in "
                f"{folder / split}: leave --results or --split out"
            )
        elsewhere = folder / split
    directory = options["results"] or elsewhere or Path("results")
    figures = options["figures"] or elsewhere or Path("docs")
    variants = options["variants"].split(",") if options["variants"] else [*variants_in(module)]
    for variant in variants:
        config_of(module, variant)  # raises if there is no such variant
        if variants.count(variant) > 1:
            raise InputError(f"--variants has {variant} twice: leave one out")
    count, first = options["seeds"], options["first_seed"]
    count = declared(module, "SEEDS", 3) if count is None else count
    first = declared(module, "FIRST_SEED", 0) if first is None else first
    if not 1 <= count <= MAX_SEEDS or not 0 <= first < 2**32 - MAX_SEEDS:
        raise InputError(
            f"--seeds is from 1 to {MAX_SEEDS}, and --first_seed from 0 to below 2^32 - {MAX_SEEDS}"
        )
    runs = runs_of(module, variants, range(first, first + count), folder, changes)
    if not -1 <= options["only"] < len(runs):
        raise InputError(f"--only is from 0 to {len(runs) - 1}, not {options['only']}")
    chosen = runs if options["only"] < 0 else [runs[options["only"]]]
    if options["draw"]:
        chosen = []
    for where, flag in ((folder, "--runs"), (directory, "--results"), (figures, "--figures")):
        open_folder(where, flag)
    if options["csv"] and options["csv"].is_dir():
        raise InputError(f"--csv is a file, and {options['csv']} is a folder")
    failed: list[Exception] = []
    for number, run in enumerate(chosen):
        with locked_records(directory, name) as records:
            recorded = done(run, records)
        try:
            if recorded:
                print(f"{run.label}: in the results already", file=sys.stderr)
            else:
                print(f"{run.label}: {number + 1} of {len(chosen)}", file=sys.stderr)
                perform(module, experiment, run, directory, split)
            # For recorded runs too: one may have been broken off before it was shown.
            if not searched and (run.workdir / "run.json").exists():
                show(module, run)
        except (InputError, OSError) as error:
            failed.append(error)
            print(f"error: {error}; continuing with the others", file=sys.stderr)
    if not searched and hasattr(module, "draw") and options["only"] < 0:
        for missing in draw(module, figures, runs):
            print(f"no figure: there is no run here of {missing}", file=sys.stderr)
    records = read_records(directory / f"{name}.json")
    if options["csv"]:
        write_csv(options["csv"], records)
    if not searched and records and hasattr(module, "draw_curve") and options["only"] < 0:
        module.draw_curve(figures / f"{name}_curve.png", records)
    print(summary(records))
    if failed and all(map(may_pass, failed)):
        return EXIT_TRANSIENT
    return EXIT_FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main())
