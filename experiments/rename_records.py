"""Records of results/ under today's names of config fields, metrics and extractors, and with the
ratio that today's evaluation has beside two of its distances.

    python -m experiments.rename_records      # rewrites results/*.json; again, it changes nothing

The numbers stay. A hash is renewed only where today's variant, under the old names, has the hash
that the record has: so the record is of this very config. The small problems had no configs: their
records get the hash of the config that takes the same steps (tests/first_steps.py). `sample_ratio`
of each seed is `frechet_sample` over `frechet_data`, as `metrics.feature_distances` has it, where
the evaluation was older.
"""

import hashlib
import importlib
import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

from iae_jax.files.atomic import write_json
from iae_jax.files.numbers import deviation
from iae_jax.records.experiment_module import module_of
from iae_jax.records.variants import changed_config
from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.config_changes import changes
from iae_jax.runs.renamed import FIELDS, measured
from iae_jax.runs.shared_config import shared_digest, without_seed

OLD = {new: old for old, new in FIELDS.items()}
SMALL_PROBLEMS = (
    "gaussian_mixture", "regression", "ali", "avb_four_points", "elbo_grid", "aae_priors",
)  # fmt: skip
# Measures that have another name now, since the package has one of theirs.
METRICS = {
    ("elbo_grid", "negative_elbo"): "negative_elbo_exact",
    ("aae_priors", "two_sample_accuracy_of_prior"): "two_sample_accuracy_prior",
    ("aae_priors", "sliced_wasserstein_of_prior"): "sliced_wasserstein_prior",
}


def old_digest(config: Config) -> str:
    """The hash that a config had under the old names."""
    defaults, plain = without_seed(to_dict(Config())), without_seed(to_dict(config))
    fields = {OLD.get(name, name): value for name, value in changes(defaults, plain)}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]


def flags_of(command: str) -> tuple[str, ...]:
    """FIELD=VALUE of each --config flag but the seed, under today's names."""
    found = re.findall(r"--config\.([\w.]+)=(\S+?)(?=;|\s|$)", command)
    named = [(FIELDS.get(field, field), value) for field, value in found]
    return tuple(f"{field}={value}" for field, value in named if field != "seed")


def of_launch(record: dict[str, Any]) -> str:
    """Renames a record of the launcher; returns what could not be done, or ""."""
    command = record["command"]
    match = re.search(r"--config=experiments/(\w+)\.py:(\S+)", command)
    if match is None or "config" not in record:
        return ""
    config = changed_config(module_of(match[1]), match[2], flags_of(command))
    today = shared_digest(to_dict(config))
    for old, new in FIELDS.items():
        command = command.replace(f"--config.{old}=", f"--config.{new}=")
    record["command"] = command
    if record["config"] not in (today, old_digest(config)):
        return f"{record['variant']}: {record['config']} is the hash of another config than today's"
    record["config"] = today
    return ""


def of_small_problem(name: str, record: dict[str, Any]) -> None:
    """Gives a record of a small problem its config and the command of today."""
    words = record["command"].replace("python -m experiments.", "python -m iae_jax.sweep ", 1)
    module = importlib.import_module(f"experiments.{name}")
    config = shared_digest(to_dict(module.get_config(record["variant"])))
    metric = METRICS.get((name, record["metric"]), record["metric"])
    own = {"config": config, **record, "metric": metric, "command": words}
    record.clear()
    record.update(own)


def with_ratios(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, with the ratio of every variant that has both distances, after the second."""
    known = {(one["metric"], one["variant"]): one for one in records}
    found = []
    for one in records:
        found.append(one)
        variant = one["variant"]
        if one["metric"] != "frechet_data" or ("sample_ratio", variant) in known:
            continue
        sample = known.get(("frechet_sample", variant))
        if sample is None or sample["seeds"] != one["seeds"]:
            continue
        values = [own / data for own, data in zip(sample["values"], one["values"], strict=True)]
        mean, sd = statistics.fmean(values), deviation(values)
        ratio = {"metric": "sample_ratio", "values": values, "mean": mean, "sd": sd}
        found.append({**sample, **ratio})
    return found


def main(folder: Path = Path("results")) -> int:
    problems: set[str] = set()
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        before = json.dumps(content)
        content["records"] = measured(content["records"])
        for record in content["records"]:
            if path.stem in SMALL_PROBLEMS:
                of_small_problem(path.stem, record)
            else:
                problems.add(of_launch(record))
        content["records"] = with_ratios(content["records"])
        if json.dumps(content) != before:
            write_json(path, content)
    for problem in sorted(problems - {""}):
        print(problem, file=sys.stderr)
    return 1 if problems - {""} else 0


if __name__ == "__main__":
    sys.exit(main())
