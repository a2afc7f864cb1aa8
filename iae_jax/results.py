"""From evaluated runs to results/NAME.json: one value per seed, mean, spread, and how to get it.

    python -m iae_jax.results mnist_reconstruction deterministic_20=runs/mnist_20 ...

Several workdirs of one variant, separated by commas, are its seeds.
"""

import argparse
import datetime
import json
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

from iae_jax.journal import write_json
from iae_jax.types import InputError


class Reference(NamedTuple):
    """What a value is compared with. better: "higher" or "lower". source: where it stands."""

    value: float
    better: str
    source: str

    @property
    def sign(self) -> str:
        return "≥" if self.better == "higher" else "≤"

    def met(self, value: float) -> bool:
        return value >= self.value if self.better == "higher" else value <= self.value


def read(path: Path) -> dict[str, Any]:
    """A JSON file of a workdir. Errors: InputError that says which command makes it."""
    if not path.is_file():
        raise InputError(f"{path} is not there: run the launcher with --mode=evaluate first")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def collect(experiment: str, variant: str, workdirs: list[Path]) -> list[dict[str, Any]]:
    """The records of one variant. Errors: InputError if its seeds were not measured alike (another
    split, n, extractor or config) or if one seed is there twice."""
    runs = [read(workdir / "run.json") for workdir in workdirs]
    evaluations = [read(workdir / "evaluation_test.json") for workdir in workdirs]
    measured = [
        {record["metric"]: record for record in evaluation["records"]}
        for evaluation in evaluations
    ]
    seeds = [next(iter(records.values()))["seed"] for records in measured]
    if len(set(seeds)) < len(seeds):
        raise InputError(f"{variant}: the seeds {seeds} are not all different")
    found = []
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
    for name in ("steps_per_second", "compile_seconds", "peak_memory_megabytes"):
        found.append((name, [run[name] for run in runs], runs[0]["steps"], ""))
    checkpoints = {evaluation["checkpoint"] for evaluation in evaluations}
    if len(checkpoints) > 1:
        raise InputError(f"{variant}: some seeds were evaluated at another checkpoint")
    accuracies = [evaluation["judge_test_accuracy"] for evaluation in evaluations]
    if None not in accuracies:
        extractor = next(e for m, _, _, e in found if m == "label_agreement" or "frechet" in m)
        found.append(("judge_test_accuracy", accuracies, 0, extractor))
    command = (
        f"python -m iae_jax.launch --config=experiments/{experiment}.py:{variant} --workdir=DIR "
        f"--config.seed=SEED; the same with --mode=evaluate --checkpoint={checkpoints.pop()}"
    )
    device = f"{runs[0]['device']}, {runs[0]['cores']} cores"
    seconds = [run["training_seconds"] for run in runs]
    return [
        record(metric, variant, values, seeds, n, extractor, command, seconds, device,
               runs[0]["commit"])
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
) -> dict[str, Any]:
    """One record of results/NAME.json. values: one a seed. n_examples: that each was measured on.
    seconds: of each training, or one number where all seeds were trained at once."""
    return {
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


def write(directory: Path, experiment: str, records: list[dict[str, Any]]) -> Path:
    """directory/EXPERIMENT.json, whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{experiment}.json"
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
    parser = argparse.ArgumentParser(prog="python -m iae_jax.results")
    parser.add_argument("experiment")
    parser.add_argument("variants", nargs="+", metavar="VARIANT=WORKDIR[,WORKDIR...]")
    parser.add_argument("--directory", type=Path, default=Path("results"))
    options = parser.parse_args(arguments)
    try:
        records = []
        for argument in options.variants:
            variant, equals, workdirs = argument.partition("=")
            if not equals:
                raise InputError(f"{argument!r} is not VARIANT=WORKDIR")
            paths = [Path(workdir) for workdir in workdirs.split(",")]
            records += collect(options.experiment, variant, paths)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    write(options.directory, options.experiment, records)
    print(table(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
