"""How far a share of examples may be from that of all examples alike: Wilson's interval."""

from iae_jax.records.record import Record

# Metrics whose value is how many examples of n, over n, times this.
SHARES = {
    **{
        f"{name}{control}{classifier}": 1.0
        for name in ("label_agreement", "label_agreement_true", "classifier_accuracy")
        for control in ("", "_pca", "_random_pair")
        for classifier in ("", "_second")
    },
    "cluster_accuracy": 1.0,
    "test_error": 100.0,
    "validation_error": 100.0,
    "label_error": 100.0,
}

Interval = list[float] | None


def intervals(record: Record) -> list[Interval]:
    """Of each value of a record, in its order: its own 95 % confidence interval, or that of a share
    of examples (Wilson 1927); None for any other."""
    own: list[Interval] = record.get("intervals") or [None] * len(record["values"])
    scale = SHARES.get(record["metric"])
    if scale is None:
        return own
    return [
        known or _wilson(value, record["n_examples"], scale)
        for known, value in zip(own, record["values"], strict=True)
    ]


def _wilson(value: float | None, count: int, scale: float) -> Interval:
    from scipy.stats import binomtest

    if value is None or not 0 <= value <= scale:
        return None
    found = binomtest(round(count * value / scale), count).proportion_ci(method="wilson")
    return [scale * float(found.low), scale * float(found.high)]
