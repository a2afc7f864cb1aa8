"""From evaluated runs to results/NAME.json: one value per seed, mean, spread, and how to get it.

    python -m iae_jax.records.results mnist_reconstruction deterministic_20=runs/mnist_20 ...

Several workdirs of one variant, separated by commas, are its seeds. What the file has already
stays.
"""

import argparse
import datetime
import fcntl
import importlib
import inspect
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from iae_jax.errors import InputError
from iae_jax.files.metrics_log import open_folder, write_json
from iae_jax.runs.config import Config, changes, hash_of, to_dict


class Reference(NamedTuple):
    """What a value is compared with. better: "higher", "lower" or "near" (within `tolerance` of
    it). source: where it stands. seeds: the share of seeds that have to meet it, each by itself; 0:
    their mean has to."""

    value: float
    better: str
    source: str
    seeds: float = 0.0
    tolerance: float = 0.0

    @property
    def text(self) -> str:
        """What is asked for, for a table."""
        if self.better == "near":
            return f"{self.value:g} ± {self.tolerance:g}"
        return f"{'≥' if self.better == 'higher' else '≤'} {self.value:g}"

    def met(self, value: float) -> bool:
        if self.better == "near":
            return abs(value - self.value) <= self.tolerance
        return value >= self.value if self.better == "higher" else value <= self.value

    def met_by(self, values: Sequence[float]) -> bool:
        """By all seeds of a record, in the sense of `seeds`."""
        if self.seeds:
            return sum(map(self.met, values)) >= self.seeds * len(values)
        return self.met(statistics.fmean(values))


# What each record has.
FIELDS = (
    "metric",
    "variant",
    "values",
    "mean",
    "sd",
    "n_seeds",
    "seeds",
    "n_examples",
    "extractor",
    "command",
    "seconds",
    "device",
    "date",
    "commit",
)
# What is read of a run's files.
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
EVALUATION = ("checkpoint", "step", "judge_test_accuracy", "records")


def read(path: Path, fields: Sequence[str] = ()) -> dict[str, Any]:
    """A JSON file of a workdir, which has these fields. Errors: InputError that says which command
    makes it."""
    if not path.is_file():
        how = "with --mode=evaluate" if path.name.startswith("evaluation") else "to the last step"
        raise InputError(f"{path} is not there: run the launcher {how} first")
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        whole = set(fields) <= set(content)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged: run the launcher again") from error
    if not whole:
        raise InputError(f"{path} is damaged: run the launcher again")
    return content


def without_seed(config: dict[str, Any]) -> dict[str, Any]:
    """What the seeds of one variant have in common."""
    kept = {name: value for name, value in config.items() if name not in ("seed", "run")}
    return kept | {"data": {**config["data"], "directory": ""}}


def shared_digest(config: dict[str, Any]) -> str:
    """A short hash of it."""
    return hash_of(without_seed(to_dict(Config())), without_seed(config))


def overrides(experiment: str, variant: str, config: dict[str, Any]) -> list[str]:
    """The flags that make the experiment's own config the run's. Errors: InputError if the
    experiment is not there."""
    try:
        module = importlib.import_module(f"experiments.{experiment}")
    except ModuleNotFoundError as error:
        raise InputError(f"there is no experiments/{experiment}.py here: see README.md") from error
    several = inspect.signature(module.get_config).parameters
    own = module.get_config(variant) if several else module.get_config()
    plain = without_seed(to_dict(own))
    return [f"--config.{field}={value}" for field, value in changes(plain, without_seed(config))]


def collect(
    experiment: str, variant: str, workdirs: list[Path], label: str = "", split: str = "test"
) -> list[dict[str, Any]]:
    """The records of one variant on a split, under its own name or another. Errors: InputError if
    its seeds were not measured alike (another n, extractor or config) or if one is there twice."""
    runs = [read(workdir / "run.json", RUN) for workdir in workdirs]
    evaluations = [read(workdir / f"evaluation_{split}.json", EVALUATION) for workdir in workdirs]
    for workdir, run, evaluation in zip(workdirs, runs, evaluations, strict=True):
        if not evaluation["records"]:
            raise InputError(f"{workdir} has nothing measured of {split}: evaluate it again")
        if evaluation["checkpoint"] == "latest" and evaluation["step"] != run["steps"]:
            raise InputError(
                f"{workdir} was evaluated at step {evaluation['step']} and has {run['steps']}: "
                "evaluate it again"
            )
    measured = [{one["metric"]: one for one in evaluation["records"]} for evaluation in evaluations]
    seeds = [next(iter(records.values()))["seed"] for records in measured]
    if len(set(seeds)) < len(seeds):
        raise InputError(f"{variant}: the seeds {seeds} are not all different")
    configs = [read(workdir / "config.json") for workdir in workdirs]
    if any(without_seed(config) != without_seed(configs[0]) for config in configs):
        raise InputError(f"{variant}: the seeds were trained with different configs")
    found, intervals = [], dict[str, list[list[float] | None]]()
    for metric, first in measured[0].items():
        same = [records.get(metric) for records in measured]
        for other in same:
            differing = [
                name
                for name in ("n", "split", "extractor")
                if other is None or other[name] != first[name]
            ]
            if differing:
                raise InputError(
                    f"{variant}: {metric} differs in {', '.join(differing)} between seeds: "
                    "evaluate them alike"
                )
        found.append((metric, [r["value"] for r in same if r], first["n"], first["extractor"]))
        lost = [seed for seed, one in zip(seeds, same, strict=True) if one and one["value"] is None]
        if lost:
            raise InputError(f"{variant}: {metric} of the seeds {lost} is not finite: train again")
        if "low" in first:
            intervals[metric] = [[r["low"], r["high"]] for r in same if r]
    for name in ("steps_per_second", "compile_seconds", "peak_memory_megabytes"):
        # A run of a single call has no speed.
        if all(run[name] is not None for run in runs):
            found.append((name, [run[name] for run in runs], runs[0]["steps"], ""))
    checkpoints = {evaluation["checkpoint"] for evaluation in evaluations}
    if len(checkpoints) > 1:
        raise InputError(f"{variant}: some seeds were evaluated at another checkpoint")
    accuracies = [evaluation["judge_test_accuracy"] for evaluation in evaluations]
    if None not in accuracies:
        # A game that generates nothing has none of what a judge says.
        judged = [(n, e) for m, _, n, e in found if m == "judge_accuracy"]
        found += [("judge_test_accuracy", accuracies, n, e) for n, e in judged]
    flags = " ".join(["--config.seed=SEED", *overrides(experiment, variant, configs[0])])
    command = (
        f"python -m iae_jax.launch --config=experiments/{experiment}.py:{variant} --workdir=DIR "
        f"{flags}; the same with --mode=evaluate --checkpoint={checkpoints.pop()}"
        f"{'' if split == 'test' else f' --split={split}'}"
    )
    device = f"{runs[0]['device']}, {runs[0]['cores']} cores"
    seconds = [run["training_seconds"] for run in runs]
    return [
        record(
            metric,
            label or variant,
            values,
            seeds,
            n,
            extractor,
            command,
            seconds,
            device,
            runs[0]["commit"],
            shared_digest(configs[0]),
            intervals.get(metric),
        )
        for metric, values, n, extractor in found
    ]


def record(
    metric: str,
    variant: str,
    values: list[float],
    seeds: list[int],
    n_examples: int,
    extractor: str,
    command: str,
    seconds: list[float],
    device: str,
    commit: str,
    config: str = "",
    intervals: list[list[float] | None] | None = None,
) -> dict[str, Any]:
    """One record of results/NAME.json. values: one a seed. n_examples: that each was measured on.
    seconds: of each training, or one number where all seeds were trained at once. config: hash of
    what the seeds have in common, where a config file says it. intervals: of each value, [low,
    high] with 95 % confidence, where it has one."""
    if_known: dict[str, Any] = {"config": config} if config else {}
    if intervals:
        if_known["intervals"] = intervals
    return if_known | {
        "metric": metric,
        "variant": variant,
        "values": values,
        "mean": statistics.fmean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "n_seeds": len(values),
        "seeds": seeds,
        "n_examples": n_examples,
        "extractor": extractor,
        "command": command,
        "seconds": seconds,
        "device": device,
        "date": datetime.date.today().isoformat(),
        "commit": commit,
    }


@contextmanager
def alone(path: Path, wait: bool) -> Iterator[None]:
    """While no other process has the lock file. Errors: InputError if one has it, without `wait`."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise InputError(f"another process is at work in {path.parent}") from error
        except OSError as error:
            raise InputError(
                f"cannot lock a file in {path.parent} ({error.strerror}): choose a folder on a "
                "file system that has locks"
            ) from error
        yield


@contextmanager
def kept(directory: Path, experiment: str) -> Iterator[list[dict[str, Any]]]:
    """The records of an experiment, while no other process changes them; written at the end."""
    path = directory / f"{experiment}.json"
    with alone(directory / f".{experiment}.lock", wait=True):
        records = read_records(path)
        before = list(records)
        yield records
        if records != before:
            write(directory, experiment, records)


def read_records(path: Path) -> list[dict[str, Any]]:
    """Those of a results file; none, if there is no file. Errors: InputError if it is damaged."""
    if not path.exists():
        return []
    damaged = InputError(f"{path} is damaged: move it away, then the same command")
    try:
        records: list[dict[str, Any]] = json.loads(path.read_text())["records"]
        whole = all(set(FIELDS) <= set(record) for record in records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged from error
    if not isinstance(records, list) or not whole:
        raise damaged
    return records


def replaced(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What `merge` does not keep: records of the variant with another config."""
    variant, config = new[0]["variant"], new[0].get("config")
    return [one for one in old if one["variant"] == variant and one.get("config") != config]


def merge(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records with further seeds of one variant. If its config is another now, its old ones are
    replaced; a seed that is there already is replaced by the new one. Errors: InputError if the
    same config was measured otherwise: in other metrics, at another checkpoint, on other examples.
    """
    variant, config = new[0]["variant"], new[0].get("config")
    others = [one for one in old if one["variant"] != variant]
    before = {
        one["metric"]: one
        for one in old
        if one["variant"] == variant and one.get("config") == config
    }
    if not before:
        return others + new
    differing = sorted(before.keys() ^ {one["metric"] for one in new})
    if differing:
        raise InputError(
            f"{variant}: {', '.join(differing)} is not measured both in the results and now: "
            "evaluate alike, or move the old results away"
        )
    return others + [_joined(before[one["metric"]], one) for one in new]


def _joined(earlier: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """One metric of one variant, with the seeds of both."""
    for field in ("command", "n_examples", "extractor"):
        if earlier[field] != now[field]:
            raise InputError(
                f"{now['variant']}: {now['metric']} has {field} {earlier[field]!r} in the results "
                f"and {now[field]!r} now: evaluate alike, or move the old results away"
            )
    own = {
        seed: (value, seconds, interval)
        for one in (earlier, now)
        for seed, value, seconds, interval in zip(
            one["seeds"],
            one["values"],
            one["seconds"],
            one.get("intervals", [None] * len(one["seeds"])),
            strict=True,
        )
    }
    seeds = sorted(own)
    return record(
        now["metric"],
        now["variant"],
        [own[seed][0] for seed in seeds],
        seeds,
        now["n_examples"],
        now["extractor"],
        now["command"],
        [own[seed][1] for seed in seeds],
        _both(earlier["device"], now["device"]),
        _both(earlier["commit"], now["commit"]),
        now.get("config", ""),
        [own[seed][2] for seed in seeds] if "intervals" in now else None,
    )


def _both(earlier: str, now: str) -> str:
    """What was said of earlier seeds, and of these, each once."""
    return ", ".join(dict.fromkeys([*earlier.split(", "), *now.split(", ")]))


def write(
    directory: Path, experiment: str, records: list[dict[str, Any]], suffix: str = ".json"
) -> Path:
    """directory/EXPERIMENT.json, whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{experiment}{suffix}"
    write_json(path, {"experiment": experiment, "records": records})
    return path


def table(records: list[dict[str, Any]]) -> str:
    """A Markdown table: metrics down, variants across."""
    variants = list(dict.fromkeys(record["variant"] for record in records))
    metrics = list(dict.fromkeys(record["metric"] for record in records))
    cells = {(record["metric"], record["variant"]): record for record in records}

    def cell(metric: str, variant: str) -> str:
        record = cells.get((metric, variant))
        if record is None:
            return "–"
        spread = "" if record["sd"] is None else f" ± {record['sd']:.4f}"
        return f"{record['mean']:.4f}{spread}"

    rows = [["metric", *variants], ["---"] * (len(variants) + 1)]
    rows += [[metric, *(cell(metric, variant) for variant in variants)] for metric in metrics]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m iae_jax.records.results")
    parser.add_argument("experiment")
    parser.add_argument("variants", nargs="+", metavar="VARIANT=WORKDIR[,WORKDIR...]")
    parser.add_argument("--directory", type=Path, default=Path("results"))
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
        open_folder(options.directory, "--directory")
        with kept(options.directory, options.experiment) as records:
            for new in found:
                if others := replaced(records, new):
                    raise InputError(
                        f"{others[0]['variant']} is there with another config, and its seeds "
                        f"{others[0]['seeds']} would be lost: name another --directory"
                    )
                records[:] = merge(records, new)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
