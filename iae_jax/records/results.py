"""From evaluated runs to results/EXPERIMENT.json: values by seed, mean, SD, and the command.

    python -m iae_jax.records.results mnist_reconstruction deterministic_20=runs/mnist_20 ...

Workdirs of one variant, separated by commas, are its seeds; a workdir may also have several seeds
that were trained at once. Records that the file has already stay.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from iae_jax.errors import EXIT_USER, InputError
from iae_jax.files.atomic import open_folder
from iae_jax.files.home import expanded
from iae_jax.records.experiment_module import config_of, module_of, name_of, word_of
from iae_jax.records.merge import merge, replaced, united_versions
from iae_jax.records.record import Record, Trainings, locked_records, record, summary
from iae_jax.runs.config import Config, from_dict, to_dict, without_places
from iae_jax.runs.config_changes import changes, completed
from iae_jax.runs.data_config import Data, draw_of
from iae_jax.runs.ledger import FILE, Ledger, adopt
from iae_jax.runs.renamed import measured, translated
from iae_jax.runs.shared_config import shared_digest, without_seed

# What is read from a run's files.
RUN = (
    "steps",
    "steps_per_second",
    "compile_seconds",
    "peak_memory_megabytes",
    "training_seconds",
    "device",
    "cores",
    "commit",
)
EVALUATION = ("checkpoint", "step", "classifier_test_accuracy", "records")
OF_RUN = ("steps_per_second", "compile_seconds", "peak_memory_megabytes")  # are recorded too


def read(path: Path, fields: Sequence[str] = ()) -> dict[str, Any]:
    """A JSON file of a workdir.

    Raises:
      InputError: it is missing, damaged or lacks a field; the message says what makes it.
    """
    if not path.is_file():
        how = "with --mode=evaluate" if path.name.startswith("evaluation") else "to the last step"
        raise InputError(f"{path} is not there: run the launcher {how} first")
    try:
        content: dict[str, Any] = measured(json.loads(path.read_text()))
        complete = isinstance(content, dict) and set(fields) <= set(content)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): make it readable") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged: run the launcher again") from error
    if not complete:
        raise InputError(f"{path} is damaged: run the launcher again")
    return content


def common(config: dict[str, Any]) -> dict[str, Any]:
    """What the seeds of a variant have in common, of a saved config, without where files lie: what
    is measured of them says which they are."""
    known = completed(translated(config), to_dict(Config()))
    plain: dict[str, Any] = json.loads(json.dumps(without_places(without_seed(known))))
    return plain


def overrides(module: ModuleType, variant: str, config: dict[str, Any]) -> list[str]:
    """The flags that turn the experiment's config into the run's."""
    own = config_of(module, variant)
    changed = changes(without_seed(to_dict(own)), without_seed(config))
    return [_flag(field, value) for field, value in changed]


def _flag(field: str, value: Any) -> str:
    """The flag of the launcher that sets a field."""
    if isinstance(value, list):
        return shlex.quote(f"--config.{field}={tuple(value)!r}")
    return f"--config.{field}={value}"


class _Values(NamedTuple):
    """The values of one metric, by seed."""

    values: list[float]
    n_examples: int
    extractor: str
    intervals: list[list[float] | None] | None = None


def collect(
    experiment: str, variant: str, workdirs: list[Path], name: str = "", split: str = "test"
) -> list[Record]:
    """The records of one variant on a split.

    Args:
      experiment, variant: see `records.experiment_module`, and one of its variants.
      workdirs: one for each seed, or for several that were trained at once.
      name: of the variant in the records; its own by default.
      split: what was evaluated.

    Raises:
      InputError: a file is missing, a seed is there twice, or the seeds were not measured alike
        (number of examples, extractor, config, checkpoint).
    """
    runs = [read(workdir / "run.json", RUN) for workdir in workdirs]
    evaluations = [read(workdir / f"evaluation_{split}.json", EVALUATION) for workdir in workdirs]
    for workdir, run, evaluation in zip(workdirs, runs, evaluations, strict=True):
        if not evaluation["records"]:
            raise InputError(f"{workdir} has no measurements of {split}: evaluate it again")
        if evaluation["checkpoint"] == "latest" and evaluation["step"] != run["steps"]:
            raise InputError(
                f"{workdir} was evaluated at step {evaluation['step']} and has {run['steps']}: "
                "evaluate it again"
            )
    own_seeds = [list(dict.fromkeys(one["seed"] for one in e["records"])) for e in evaluations]
    seeds = [seed for own in own_seeds for seed in own]
    if len(set(seeds)) < len(seeds):
        raise InputError(f"{variant}: the seeds {seeds} are not all different")
    at_once = len(seeds) > len(workdirs)
    configs = [translated(read(workdir / "config.json")) for workdir in workdirs]
    alike = [(common(c), e.get("data")) for c, e in zip(configs, evaluations, strict=True)]
    if any(one != alike[0] for one in alike):
        raise InputError(f"{variant}: the seeds were trained with different configs or images")
    found = _measured(variant, seeds, evaluations)
    for metric in () if at_once else OF_RUN:  # they are of a run, not of one of its seeds
        values = [run[metric] for run in runs]
        if None not in values:  # a run of a single call has no speed
            found[metric] = _Values(values, runs[0]["steps"], "")
    data: Data = from_dict(configs[0]["data"], Data())
    checkpoints = {evaluation["checkpoint"] for evaluation in evaluations}
    if len(checkpoints) > 1:
        raise InputError(f"{variant}: some seeds were evaluated at another checkpoint")
    accuracies = [
        evaluation["classifier_test_accuracy"]
        for evaluation, own in zip(evaluations, own_seeds, strict=True)
        for _ in own
    ]
    # A game that generates nothing is not measured by the feature classifier.
    if None not in accuracies and (seen := found.get("classifier_accuracy")):
        found["classifier_test_accuracy"] = seen._replace(values=accuracies, intervals=None)
    seed_flags = ["--config.seed=SEED", *(["--seeds=COUNT"] if at_once else [])]
    module = module_of(experiment)
    flags = " ".join([*seed_flags, *overrides(module, variant, configs[0])])
    command = (
        f"python -m iae_jax.launch --config={word_of(module, variant)} --workdir=DIR "
        f"{flags}; the same with --mode=evaluate --checkpoint={checkpoints.pop()}"
        f"{'' if split == 'test' else f' --split={split}'}"
    )
    trainings = Trainings(
        seeds,
        command,
        seconds=[run["training_seconds"] for run in runs],
        device=f"{runs[0]['device']}, {runs[0]['cores']} cores",
        commit=runs[0]["commit"],
        config=shared_digest(configs[0]),
        versions=united_versions([run.get("versions", {}) for run in runs]),
        draws=[draw_of(data, seed) for seed in seeds] if data.labels_per_class > 0 else (),
    )
    return [
        record(metric, name or variant, v.values, v.n_examples, v.extractor, trainings, v.intervals)
        for metric, v in found.items()
    ]


def _measured(
    variant: str, seeds: list[int], evaluations: list[dict[str, Any]]
) -> dict[str, _Values]:
    """The metrics of some evaluations, with a value for each seed.

    Raises:
      InputError: they were not measured alike, or a value is not finite.
    """
    by_seed: dict[int, dict[str, Any]] = {seed: {} for seed in seeds}
    for one in (one for evaluation in evaluations for one in evaluation["records"]):
        by_seed[one["seed"]][one["metric"]] = one
    found = {}
    for metric, first in by_seed[seeds[0]].items():
        same = [records.get(metric) for records in by_seed.values()]
        for other in same:
            differing = [
                field
                for field in ("n", "split", "extractor")
                if other is None or other[field] != first[field]
            ]
            if differing:
                raise InputError(
                    f"{variant}: {metric} differs in {', '.join(differing)} between seeds: "
                    "evaluate them alike"
                )
        measured = [one for one in same if one is not None]
        values = [one["value"] for one in measured]
        lost = [seed for seed, value in zip(seeds, values, strict=True) if value is None]
        if lost:
            raise InputError(f"{variant}: {metric} of the seeds {lost} is not finite: train again")
        intervals = [[one["low"], one["high"]] if "low" in one else None for one in measured]
        found[metric] = _Values(
            values, first["n"], first["extractor"], intervals if any(intervals) else None
        )
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m iae_jax.records.results")
    parser.add_argument("experiment")
    parser.add_argument("variants", nargs="+", metavar="VARIANT=WORKDIR[,WORKDIR...]")
    parser.add_argument("--directory", type=expanded, default=Path("results"))
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = []
        for argument in options.variants:
            variant, equals, workdirs = argument.partition("=")
            if not equals:
                raise InputError(f"{argument!r} is not VARIANT=WORKDIR")
            paths = [Path(workdir) for workdir in workdirs.split(",")]
            found.append(collect(options.experiment, variant, paths))
        name = name_of(module_of(options.experiment))
        open_folder(options.directory, "--directory")
        with locked_records(options.directory, name) as records:
            for argument in options.variants:
                variant, _, workdirs = argument.partition("=")
                for workdir in workdirs.split(","):
                    ledger = Ledger(options.directory / FILE, name, variant)
                    adopt(Path(workdir), ledger)
            for new in found:
                if others := replaced(records, new):
                    raise InputError(
                        f"{others[0]['variant']} is there with another config, and its seeds "
                        f"{others[0]['seeds']} would be lost: name another --directory"
                    )
                records[:] = merge(records, new)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER
    print(summary(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
