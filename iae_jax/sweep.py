"""Several variants of an experiment, several seeds each, as one command that can be broken off.

    python -m iae_jax.sweep mnist_reconstruction --variants=deterministic_20,vae_20 --seeds=3

Each run is a process of its own: it trains (or goes on), is evaluated on the test split, and its
numbers are added to results/EXPERIMENT.json at once. A seed that is there already, with the config
that the variant has now, is not run again. Runs lie in runs/EXPERIMENT/VARIANT/SEED-CONFIG, so that
one of an earlier config is left alone; --only=I is the I-th run of the list alone, for a job array:
the command without it draws the figures when all are done.

    python -m iae_jax.sweep mnist_reconstruction --variants=vae_20 --grid code.size=5,10 \\
        --grid batch_size=32,64

takes every combination of the given values of the config's fields, and keeps its records apart, in
runs/EXPERIMENT/.
"""

import importlib
import itertools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from absl import flags
from ml_collections import config_flags

from iae_jax.errors import EXIT_TRANSIENT, InputError, TransientError
from iae_jax.files.metrics_log import open_folder
from iae_jax.records.results import (
    alone,
    collect,
    kept,
    merge,
    read_records,
    replaced,
    shared_digest,
    table,
)
from iae_jax.records.study import MOST_SEEDS, Parser
from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.interruption import SIGNALS, Interrupted, awaited
from iae_jax.runs.workdir import LOCK

SHOWN = 12  # images of a figure's row
# What each mode leaves in a run's workdir. A module's figures are made of what it names in VIEWS
# ("reconstruct" alone, if it has none). FIGURES says which variants each one shows: {"": all of
# them} if it does not, and of {"small": ...} the file is EXPERIMENT_small.png.
LEFT = {
    "reconstruct": "reconstructions.npz",
    "traverse": "traversals.npz",
    "sample": "samples.npz",
    "interpolate": "interpolations.npz",
}


class Run(NamedTuple):
    """One training. config: the hash that its variant's seeds share. changes: FIELD=VALUE of the
    variant's config."""

    variant: str
    seed: int
    workdir: Path
    config: str
    changes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The variant, and how it is changed, as the results name it."""
        return ",".join([self.variant, *self.changes])

    @property
    def flags(self) -> list[str]:
        return [f"--config.{change}" for change in self.changes]


def combinations(grid: Sequence[str]) -> list[tuple[str, ...]]:
    """Of FIELD=V1,V2 for several fields: FIELD=VALUE of each, in every combination."""
    axes = []
    for axis in grid:
        field, equals, values = axis.partition("=")
        if not field or not equals or not all(values.split(",")):
            raise InputError(f"--grid is FIELD=VALUE,VALUE, not {axis!r}")
        if field.partition(".")[0] in ("run", "seed") or field == "data.directory":
            raise InputError(f"variants do not differ in {field}: leave it out of --grid")
        axes.append([f"{field}={value}" for value in values.split(",")])
    fields = [axis[0].partition("=")[0] for axis in axes]
    if len(set(fields)) < len(fields):
        raise InputError(f"--grid has a field twice: {', '.join(fields)}")
    return list(itertools.product(*axes))


def config_of(experiment: str, variant: str, changes: tuple[str, ...]) -> Config:
    """The variant's config, changed, as the launcher reads it. Errors: InputError."""
    words = [f"--config=experiments/{experiment}.py:{variant}"]
    words += [f"--config.{change}" for change in changes]
    values = flags.FlagValues()
    # Its first word is the program's name.
    holder = config_flags.DEFINE_config_file(
        "config", flag_values=values, sys_argv=["sweep", *words]
    )
    try:
        values(["sweep", *words])
    except (flags.Error, KeyError, AttributeError, ValueError, TypeError) as error:
        why = " ".join(str(error.args[0] if error.args else error).split())
        raise InputError(f"--grid: {why}: see the fields in iae_jax/runs/config.py") from error
    config: Config | None = holder.value
    assert config is not None  # it was named
    return config


def runs_of(
    module: ModuleType,
    variants: list[str],
    seeds: range,
    folder: Path,
    grid: Sequence[str] = (),
) -> list[Run]:
    """Every run, seed by seed, so that a broken sweep has all variants. Errors: InputError if a
    config is not one."""
    experiment = module.__name__.rpartition(".")[2]
    runs: list[Run] = []
    for variant, changes in itertools.product(variants, combinations(grid)):
        config = module.get_config(variant)
        if changes:
            config = config_of(experiment, variant, changes)
        digest = shared_digest(to_dict(config))
        if any((run.variant, run.config) == (variant, digest) for run in runs):
            raise InputError(f"--grid has {', '.join(changes)} twice: leave one out")
        runs.append(Run(variant, 0, folder / variant / digest, digest, changes))
    return [
        run._replace(seed=seed, workdir=run.workdir.with_name(f"{seed}-{run.config}"))
        for seed in seeds
        for run in runs
    ]


def done(run: Run, records: list[dict[str, Any]]) -> bool:
    """Whether the results have it, in every metric of its variant."""
    own = [record for record in records if record["variant"] == run.name]
    return bool(own) and all(
        record.get("config") == run.config and run.seed in record["seeds"] for record in own
    )


def launch(experiment: str, run: Run, *words: str) -> None:
    """The launcher in a process of its own. Errors: InputError if it fails and says why;
    Interrupted after a signal, which is passed on and waited for."""
    command = [
        sys.executable,
        "-m",
        "iae_jax.launch",
        f"--config=experiments/{experiment}.py:{run.variant}",
        f"--config.seed={run.seed}",
        f"--workdir={run.workdir}",
        *run.flags,
        *words,
    ]
    # In a session of its own: Ctrl-C reaches it through this process, once.
    child = subprocess.Popen(command, start_new_session=True)
    with awaited(child.send_signal) as wish:
        status = child.wait()
    if wish.asked or status in (128 + number for number in SIGNALS):
        code = 128 + wish.asked if wish.asked else status
        raise Interrupted("interrupted: the same command goes on", code)
    if status:
        # A signal that nobody has asked for is mostly that of a machine without memory.
        kind = TransientError if status == EXIT_TRANSIENT or status < 0 else InputError
        raise kind(f"{run.name}, seed {run.seed}: the launcher ended with {status}")


def views_of(module: ModuleType) -> tuple[str, ...]:
    return tuple(getattr(module, "VIEWS", ("reconstruct",)))


def split_of(module: ModuleType) -> str:
    """Whose images the records are of: the module's SPLIT, "test" if it has none. What is chosen
    by its records says "validation"."""
    split: str = getattr(module, "SPLIT", "test")
    return split


def figures_of(module: ModuleType) -> dict[str, tuple[str, ...]]:
    """What each of its figures shows."""
    figures: dict[str, tuple[str, ...]] = getattr(module, "FIGURES", {"": module.VARIANTS})
    return figures


def show(module: ModuleType, experiment: str, run: Run) -> None:
    """Makes what a figure shows of a run that is trained here, if one shows it."""
    if any(run.variant in variants for variants in figures_of(module).values()):
        for view in views_of(module):
            if not (run.workdir / LEFT[view]).exists():
                launch(experiment, run, f"--mode={view}", f"--count={SHOWN}")


def wait_for(run: Run) -> None:
    """Until nobody trains in its workdir: a launcher goes on when its sweep is killed."""
    lock = run.workdir / LOCK
    try:
        with alone(lock, wait=False):
            return
    except InputError as error:
        print(f"{error}: waiting for it", file=sys.stderr)
    with alone(lock, wait=True):
        pass


def perform(experiment: str, run: Run, directory: Path, split: str) -> None:
    """Trains, evaluates, and adds the numbers to the results."""
    run.workdir.mkdir(parents=True, exist_ok=True)
    with alone(run.workdir / ".lock", wait=False):
        wait_for(run)
        launch(experiment, run)
        launch(experiment, run, "--mode=evaluate", f"--split={split}")
        found = collect(experiment, run.variant, [run.workdir], run.name, split)
        with kept(directory, experiment) as records:
            if others := replaced(records, found):
                said = f"of another config, seeds {others[0]['seeds']}: replaced"
                print(f"{run.name}: what there was is {said}", file=sys.stderr)
            records[:] = merge(records, found)


def draw(module: ModuleType, folder: Path, experiment: str, runs: list[Run]) -> None:
    """The experiment's figures, of the first seed whose runs are here."""
    files = [LEFT[view] for view in views_of(module)]
    for suffix, variants in figures_of(module).items():
        own = [run for run in runs if run.variant in variants]
        if {run.variant for run in own} < set(variants):
            continue
        there = [run for run in own if all((run.workdir / file).exists() for file in files)]
        # A seed that is here as a whole, else the first.
        whole = [
            seed
            for seed in sorted({run.seed for run in own})
            if {run.variant for run in there if run.seed == seed} == set(variants)
        ]
        seed = whole[0] if whole else own[0].seed
        chosen = {run.variant: run.workdir for run in there if run.seed == seed}
        if missing := [variant for variant in variants if variant not in chosen]:
            print(f"no figure: there is no run here of {', '.join(missing)}", file=sys.stderr)
            continue
        name = "_".join(filter(None, (experiment, suffix)))
        module.draw(folder / f"{name}.png", {variant: chosen[variant] for variant in variants})


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m iae_jax.sweep", allow_abbrev=False)
    parser.add_argument("experiment", help="a module of experiments/ with VARIANTS")
    parser.add_argument("--variants", default="", help="separated by commas (all)")
    parser.add_argument("--seeds", type=int, default=3, help="how many of each (3)")
    parser.add_argument("--first_seed", type=int, help="(0, or the experiment's FIRST_SEED)")
    parser.add_argument("--only", type=int, default=-1, help="the number of one run, from 0")
    parser.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="FIELD=VALUE,VALUE",
        help="in every combination with the others",
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs")
    elsewhere = "or RUNS/EXPERIMENT with --grid"
    parser.add_argument("--results", type=Path, help=f"of the records (results, {elsewhere})")
    parser.add_argument("--figures", type=Path, help=f"of the figure (docs, {elsewhere})")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return sweep(vars(parser.parse_args(arguments)))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        return stopped.code
    except KeyboardInterrupt:
        print("interrupted: the same command goes on", file=sys.stderr)
        return 130


def sweep(options: dict[str, Any]) -> int:
    """The command, its flags read. Returns the exit status: 1 if a run failed, 75 if that may pass
    by itself."""
    experiment, grid = options["experiment"], options["grid"]
    folder = options["runs"] / experiment
    directory = options["results"] or (folder if grid else Path("results"))
    figures = options["figures"] or (folder if grid else Path("docs"))
    if not experiment.isidentifier():
        raise InputError(f"{experiment!r} is no module of experiments/: see README.md")
    try:
        module = importlib.import_module(f"experiments.{experiment}")
    except ModuleNotFoundError as error:
        if error.name not in ("experiments", f"experiments.{experiment}"):
            raise
        raise InputError(f"there is no experiments/{experiment}.py here: see README.md") from error
    known = list(getattr(module, "VARIANTS", ()))
    if not known or not hasattr(module, "get_config"):
        raise InputError(
            f"experiments/{experiment}.py has no configs of VARIANTS: run it as "
            f"python -m experiments.{experiment}"
        )
    variants = options["variants"].split(",") if options["variants"] else known
    for variant in variants:
        module.get_config(variant)  # refuses one that is not there
        if variants.count(variant) > 1:
            raise InputError(f"--variants has {variant} twice: leave one out")
    first = options["first_seed"]
    if first is None:
        first = getattr(module, "FIRST_SEED", 0)
    if not 1 <= options["seeds"] <= MOST_SEEDS or not 0 <= first < 2**32 - MOST_SEEDS:
        raise InputError(
            f"--seeds is from 1 to {MOST_SEEDS}, and --first_seed from 0 to below 2^32 less that"
        )
    seeds = range(first, first + options["seeds"])
    runs = runs_of(module, variants, seeds, folder, grid)
    if not -1 <= options["only"] < len(runs):
        raise InputError(f"--only is from 0 to {len(runs) - 1}, not {options['only']}")
    chosen = runs if options["only"] < 0 else [runs[options["only"]]]
    for where, flag in ((folder, "--runs"), (directory, "--results"), (figures, "--figures")):
        open_folder(where, flag)
    failed: list[Exception] = []
    for number, run in enumerate(chosen):
        with kept(directory, experiment) as records:
            there = done(run, records)
        try:
            if there:
                print(f"{run.name}, seed {run.seed}: in the results already", file=sys.stderr)
            else:
                said = f"{run.name}, seed {run.seed}: {number + 1} of {len(chosen)}"
                print(said, file=sys.stderr)
                perform(experiment, run, directory, split_of(module))
            # One that was broken off here is in the results, and the figure lacks it.
            if not grid and (run.workdir / "run.json").exists():
                show(module, experiment, run)
        except (InputError, OSError) as error:
            failed.append(error)
            print(f"error: {error}; going on with the others", file=sys.stderr)
    if not grid and hasattr(module, "draw") and options["only"] < 0:
        draw(module, figures, experiment, runs)
    records = read_records(directory / f"{experiment}.json")
    if not grid and records and hasattr(module, "draw_curve") and options["only"] < 0:
        module.draw_curve(figures / f"{experiment}_curve.png", records)
    print(table(records))
    if failed and all(isinstance(error, TransientError) for error in failed):
        return EXIT_TRANSIENT
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
