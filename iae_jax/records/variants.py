"""The variants of an experiment as runs: every variant, changed by a grid, with every seed.

A module that can be swept has `get_config()`, or VARIANTS and `get_config(variant)`: see
`records.experiment_module`. It, or the preset whose `get_config` it has, may have:

FIGURE_MODES  modes of the launcher that its figures are made from (none by default)
SPLIT         that its records are of ("test" by default; "validation" for what is chosen by them)
SEEDS         how many of them by default (3)
FIRST_SEED    (0 by default)
TOGETHER      whether a variant's seeds are trained at once, in one run (False by default)
FIGURES       {"": variants of its figure, "small": those of EXPERIMENT_small.png}
draw(path, {variant: workdir}), draw_curve(path, records)
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from absl import flags

from iae_jax.errors import InputError
from iae_jax.presets import config_words, file_of
from iae_jax.records.experiment_module import config_of, declared, name_of, variants_in, word_of
from iae_jax.records.record import Record
from iae_jax.records.search_space import Changes
from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.config_help import check_fields
from iae_jax.runs.shared_config import shared_digest

ONLY = "default"  # the name in records of the variant of a config that has none
# What each mode of the launcher writes to a run's workdir.
MODE_FILES = {
    "reconstruct": "reconstructions.npz",
    "traverse": "traversals.npz",
    "sample": "samples.npz",
    "interpolate": "interpolations.npz",
}


class Run(NamedTuple):
    """One training.

    seed: the first of its seeds.
    config: the hash that the seeds of its variant share.
    changes: FIELD=VALUE of the variant's config.
    seeds: how many are trained at once.
    """

    variant: str
    seed: int
    workdir: Path
    config: str
    changes: tuple[str, ...] = ()
    seeds: int = 1

    @property
    def name(self) -> str:
        """The variant and its changes, as the records name it."""
        return ",".join([self.variant or ONLY, *self.changes])

    @property
    def flags(self) -> list[str]:
        several = [f"--seeds={self.seeds}"] if self.seeds > 1 else []
        return [f"--config.seed={self.seed}", *several, *(f"--config.{c}" for c in self.changes)]

    @property
    def label(self) -> str:
        """Its name and seeds, for messages."""
        last = self.seed + self.seeds - 1
        seeds = f"seed {self.seed}" if self.seeds == 1 else f"seeds {self.seed} to {last}"
        return f"{self.name}, {seeds}"


def figure_modes(module: ModuleType) -> tuple[str, ...]:
    return tuple(declared(module, "FIGURE_MODES", ()))


def split_of(module: ModuleType) -> str:
    split: str = declared(module, "SPLIT", "test")
    return split


def figures_of(module: ModuleType) -> dict[str, tuple[str, ...]]:
    figures: dict[str, tuple[str, ...]] = declared(module, "FIGURES", {"": variants_in(module)})
    return figures


def changed_config(module: ModuleType, variant: str, changes: Changes) -> Config:
    """The variant's config with changes, read as the launcher reads it.

    Raises:
      InputError: the config has no such field, or the value is of another type.
    """
    from ml_collections import config_flags

    check_fields(change.partition("=")[0] for change in changes)
    # ml_collections finds the fields in sys.argv, of which the first word is the program's name.
    words = ["sweep", f"--config={file_of(word_of(module, variant))}"]
    words += [f"--config.{change}" for change in changes]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=words)
    try:
        values(words)
    except (flags.Error, KeyError, AttributeError, ValueError, TypeError) as error:
        why = " ".join(str(error.args[0] if error.args else error).split())
        raise InputError(f"--grid and --range: {why}: see iae-jax --help_config") from error
    config: Config = config_words.config_of(values)
    return config


def runs_of(
    module: ModuleType,
    variants: list[str],
    seeds: range,
    folder: Path,
    combinations: Sequence[Changes] = ((),),
) -> list[Run]:
    """Every run, seed by seed, so that a sweep that is broken off has every variant. One run has
    all seeds if the module trains them together.

    Raises:
      InputError: as `changed_config`.
    """
    runs: list[Run] = []
    for variant, changes in itertools.product(variants, combinations):
        config = config_of(module, variant)
        if changes:
            config = changed_config(module, variant, changes)
        digest = shared_digest(to_dict(config))
        if any((run.variant, run.config) == (variant, digest) for run in runs):
            raise InputError(f"--grid has {', '.join(changes)} twice: leave one out")
        runs.append(Run(variant, 0, folder / variant / digest, digest, changes))
    count = len(seeds) if declared(module, "TOGETHER", False) else 1
    return [
        run._replace(seed=seed, seeds=count, workdir=run.workdir.with_name(f"{name}-{run.config}"))
        for seed in seeds[::count]
        for name in [str(seed) if count == 1 else f"{seed}to{seed + count - 1}"]
        for run in runs
    ]


def done(run: Run, records: list[Record]) -> bool:
    """Whether the records have a run: some metrics may have begun with later seeds, see `merge`."""
    own = [record for record in records if record["variant"] == run.name]
    seeds = set(range(run.seed, run.seed + run.seeds))
    return all(record.get("config") == run.config for record in own) and any(
        seeds <= set(record["seeds"]) for record in own
    )


def draw(module: ModuleType, folder: Path, runs: list[Run]) -> list[str]:
    """Draws the experiment's figures, each of the first seed that all its variants have here.

    Returns:
      For each figure that lacks variants, their names.
    """
    experiment, lacking = name_of(module), []
    files = ["run.json", *(MODE_FILES[mode] for mode in figure_modes(module))]
    for suffix, variants in figures_of(module).items():
        own = [run for run in runs if run.variant in variants]
        if {run.variant for run in own} < set(variants):
            continue
        present = [run for run in own if all((run.workdir / file).exists() for file in files)]
        complete = [
            seed
            for seed in sorted({run.seed for run in own})
            if {run.variant for run in present if run.seed == seed} == set(variants)
        ]
        seed = complete[0] if complete else own[0].seed
        chosen = {run.variant: run.workdir for run in present if run.seed == seed}
        if missing := [variant for variant in variants if variant not in chosen]:
            lacking.append(", ".join(missing))
            continue
        name = "_".join(filter(None, (experiment, suffix)))
        module.draw(folder / f"{name}.png", {variant: chosen[variant] for variant in variants})
    return lacking
