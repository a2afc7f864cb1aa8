"""Old names of config fields, modules, arrays, metrics and extractors, so that runs that were saved
under them resume and load, and measurements compare."""

from collections.abc import Mapping
from typing import Any

# The first component of an array's name in a checkpoint: old -> new.
ARRAYS = {"average": "ema"}

# Dotted config fields: old -> new.
FIELDS = {
    "average": "ema",
    "code.marginal_weight": "auxiliary.marginal.weight.value",
    "code.marginal_start_weight": "auxiliary.marginal.weight.start",
    "code.marginal_start_steps": "auxiliary.marginal.weight.start_steps",
    "code.entropy_weight": "auxiliary.entropy.weight.value",
    "code.consistency_weight": "auxiliary.consistency.weight.value",
    "code.teacher": "auxiliary.consistency.teacher",
    "code.recovery_weight": "auxiliary.code_information.weight.value",
    "code.flipped_weight": "auxiliary.sleep.weight.value",
    "code.flipped_start_steps": "auxiliary.sleep.weight.start_steps",
    "code.label_weight": "auxiliary.labels.weight.value",
    "code.label_start_weight": "auxiliary.labels.weight.start",
    "code.label_start_steps": "auxiliary.labels.weight.start_steps",
    "code.change_labelled": "auxiliary.labels.augment",
    "code.labelled_share": "reconstruction.labelled_share",
    "affine.worst": "affine.vat_radius",
    "run.pieces": "run.microbatches",
    "run.judge": "run.classifier",
}

# Modules whose functions a config names, with its colon: old -> new.
MODULES = {
    f"experiments.{name}:": f"iae_jax.presets.{name}:"
    for name in (
        "aae_priors",
        "ali",
        "avb_four_points",
        "elbo_grid",
        "gaussian_mixture",
        "regression",
    )
}

# Metrics, and a field of an evaluation: old -> new.
METRICS = {
    "judge_accuracy": "classifier_accuracy",
    "judge_test_accuracy": "classifier_test_accuracy",
}

# The first part of an extractor's name: old -> new.
EXTRACTORS = {"judge": "classifier", "descriptor": "hog"}


def named_before(text: str) -> str:
    """A text with today's names of modules -> the same with their old ones, by which a config is
    hashed, so that records keep their hashes."""
    for old, new in MODULES.items():
        text = text.replace(new, old)
    return text


def translated(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A nested config with old names of fields and modules -> the same with today's."""
    found: dict[str, Any] = {}
    for name, value in _flat(plain, ""):
        parts = FIELDS.get(name, name).split(".")
        inner = found
        for part in parts[:-1]:
            inner = inner.setdefault(part, {})
        inner[parts[-1]] = _moved(value)
    return found


def measured(plain: Any) -> Any:
    """What a JSON file of measurements has, with old names of metrics and extractors -> the same
    with today's."""
    if isinstance(plain, list):
        return [measured(one) for one in plain]
    if not isinstance(plain, Mapping):
        return plain
    found = {METRICS.get(name, name): measured(value) for name, value in plain.items()}
    if isinstance(metric := found.get("metric"), str):
        found["metric"] = METRICS.get(metric, metric)
    if isinstance(extractor := found.get("extractor"), str):
        kind, slash, rest = extractor.partition("/")
        found["extractor"] = EXTRACTORS.get(kind, kind) + slash + rest
    return found


def _moved(value: Any) -> Any:
    """A value, in which texts have today's names of modules."""
    if isinstance(value, list | tuple):
        return type(value)(map(_moved, value))
    if isinstance(value, str):
        for old, new in MODULES.items():
            value = value.replace(old, new)
    return value


def _flat(plain: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """(dotted field, value) of each leaf; an empty section is a leaf."""
    leaves = []
    for name, value in plain.items():
        if isinstance(value, Mapping) and value:
            leaves += _flat(value, f"{prefix}{name}.")
        else:
            leaves.append((prefix + name, value))
    return leaves
