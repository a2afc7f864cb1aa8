"""Records of further seeds joined with those that a results file has already."""

from collections.abc import Mapping, Sequence
from typing import Any

from iae_jax.errors import InputError
from iae_jax.records.record import Record, Trainings, record


def replaced(old: list[Record], new: list[Record]) -> list[Record]:
    """The old records that `merge` drops: those of the same variant with another config."""
    variant, config = new[0]["variant"], new[0].get("config")
    return [one for one in old if one["variant"] == variant and one.get("config") != config]


def merge(old: list[Record], new: list[Record]) -> list[Record]:
    """Old records with the new seeds of one variant.

    A seed that is there already is replaced by the new one. If the variant has another config now,
    all its old seeds are replaced. Where all old seeds are measured again, nothing old remains. A
    metric that the old seeds were not measured by begins with the new ones: its record has fewer
    seeds, and comes after the others.

    Raises:
      InputError: seeds of the same config were measured differently: fewer metrics now, another
        checkpoint, other examples.
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
    missing = sorted(before.keys() - {one["metric"] for one in new})
    if missing:
        raise InputError(
            f"{variant}: {', '.join(missing)} is in the results and not measured now: evaluate "
            "again, or move the old results away"
        )
    found = [_joined(before[one["metric"]], one) if one["metric"] in before else one for one in new]
    # Those of the same seeds side by side.
    return others + sorted(found, key=lambda one: -one["n_seeds"])


def _joined(earlier: Record, now: Record) -> Record:
    """One metric of one variant, with the seeds of both records."""
    if set(earlier["seeds"]) <= set(now["seeds"]):
        return now
    for field in ("command", "n_examples", "extractor"):
        if earlier[field] != now[field]:
            raise InputError(
                f"{now['variant']}: {now['metric']} has {field} {earlier[field]!r} in the results "
                f"and {now[field]!r} now: evaluate alike, or move the old results away"
            )
    values, intervals, seconds = (
        _by_seed(earlier, field) | _by_seed(now, field)
        for field in ("values", "intervals", "seconds")
    )
    seeds = sorted(values)
    # Older records do not say their draws, which were their seeds.
    draws = _by_seed({"draws": earlier["seeds"], **earlier}, "draws") | _by_seed(now, "draws")
    # Of seeds that were trained at once, only the time of all is known.
    known = seconds.keys() == values.keys()
    trainings = Trainings(
        seeds,
        now["command"],
        [seconds[seed] for seed in seeds] if known else [*earlier["seconds"], *now["seconds"]],
        _united(earlier["device"], now["device"]),
        _united(earlier["commit"], now["commit"]),
        now.get("config", ""),
        united_versions([earlier.get("versions", {}), now.get("versions", {})]),
        [draws[seed] for seed in seeds] if "draws" in now else (),
    )
    return record(
        now["metric"],
        now["variant"],
        [values[seed] for seed in seeds],
        now["n_examples"],
        now["extractor"],
        trainings,
        [intervals[seed] for seed in seeds] if "intervals" in now else None,
    )


def _by_seed(one: Record, field: str) -> dict[int, Any]:
    """A record's list by seed; nothing if it has another length."""
    found = one.get(field, [None] * len(one["seeds"]))
    return dict(zip(one["seeds"], found, strict=True)) if len(found) == len(one["seeds"]) else {}


def united_versions(each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Versions of some runs as one, by name; those of a run that has not said them are unknown."""
    names = dict.fromkeys(name for own in each for name in own)
    return {name: _united(*(own.get(name, "unknown") for own in each)) for name in names}


def _united(*lists: str) -> str:
    """Lists separated by commas as one, each entry once."""
    return ", ".join(dict.fromkeys(entry for one in lists for entry in one.split(", ")))
