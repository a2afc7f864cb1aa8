"""Records of further seeds joined with those that a results file has already."""

from iae_jax.errors import InputError
from iae_jax.records.record import Record, Trainings, record


def replaced(old: list[Record], new: list[Record]) -> list[Record]:
    """The old records that `merge` drops: those of the same variant with another config."""
    variant, config = new[0]["variant"], new[0].get("config")
    return [one for one in old if one["variant"] == variant and one.get("config") != config]


def merge(old: list[Record], new: list[Record]) -> list[Record]:
    """Old records with the new seeds of one variant.

    A seed that is there already is replaced by the new one. If the variant has another config now,
    all its old seeds are replaced.

    Raises:
      InputError: seeds of the same config were measured differently: other metrics, another
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
    differing = sorted(before.keys() ^ {one["metric"] for one in new})
    if differing:
        raise InputError(
            f"{variant}: {', '.join(differing)} is not measured both in the results and now: "
            "evaluate alike, or move the old results away"
        )
    return others + [_joined(before[one["metric"]], one) for one in new]


def _joined(earlier: Record, now: Record) -> Record:
    """One metric of one variant, with the seeds of both records."""
    for field in ("command", "n_examples", "extractor"):
        if earlier[field] != now[field]:
            raise InputError(
                f"{now['variant']}: {now['metric']} has {field} {earlier[field]!r} in the results "
                f"and {now[field]!r} now: evaluate alike, or move the old results away"
            )
    by_seed = {
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
    seeds = sorted(by_seed)
    trainings = Trainings(
        seeds,
        now["command"],
        [by_seed[seed][1] for seed in seeds],
        _united(earlier["device"], now["device"]),
        _united(earlier["commit"], now["commit"]),
        now.get("config", ""),
    )
    return record(
        now["metric"],
        now["variant"],
        [by_seed[seed][0] for seed in seeds],
        now["n_examples"],
        now["extractor"],
        trainings,
        [by_seed[seed][2] for seed in seeds] if "intervals" in now else None,
    )


def _united(earlier: str, now: str) -> str:
    """Two lists separated by commas as one, each entry once."""
    return ", ".join(dict.fromkeys([*earlier.split(", "), *now.split(", ")]))
