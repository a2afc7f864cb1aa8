"""What each ingredient beyond the slides is worth: a model as it is, without one, and without any.

A variant is MODEL/as_it_is, MODEL/without_INGREDIENT, or MODEL/slides: the two terms, a
discriminator for each, R1 and the optimizer, and nothing else (for few labels, their cross
entropy). Two controls are of the implicit reconstruction term: MODEL/without_generator has none at
all, and MODEL/with_likelihood, of reconstructions, a likelihood in its place. MODEL is a variant of
`mnist_reconstruction` or of `mnist_clustering`, or a method of `semisupervised` for MNIST and 100
labels. All else, steps included, is as there.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from iae_jax.errors import InputError
from iae_jax.presets import mnist_clustering, mnist_reconstruction, semisupervised
from iae_jax.runs.config import Config
from iae_jax.runs.config_changes import set_fields

Fields = Mapping[str, Any]


def _zero(*names: str) -> dict[str, float]:
    """Without some auxiliary losses."""
    parts = ("value", "start")
    return {f"auxiliary.{name}.weight.{part}": 0.0 for name in names for part in parts}


# KL(q(z) || p(z)) by a discriminator, as the slides have it, where its exact form for categories is
# used.
_DISCRIMINATOR = _zero("marginal") | {"regularization.kind": "marginal_code"}
_NUMERATOR = {"reconstruction.numerator_weight": 1.0}
_SLEEP = _zero("sleep")
_PAIRS = {"reconstruction.labelled_share": 0.0}
_TEACHER = {"auxiliary.consistency.teacher": False}

# What is taken out -> the fields that say so.
_RECONSTRUCTION: dict[str, Fields] = {
    "marginal": _zero("marginal"),
    "consistency": _zero("consistency"),
    "code_information": _zero("code_information"),
    "lower_weight": {"regularization.weight": 1.0},
    "lower_numerator": _NUMERATOR,
}
_CLUSTERS: dict[str, Fields] = {
    "exact_marginal": _DISCRIMINATOR,
    "entropy": _zero("entropy"),
    "consistency": _zero("consistency"),
    "code_information": _zero("code_information"),
    "lower_numerator": _NUMERATOR,
}
_PLAIN: dict[str, Fields] = {
    "exact_marginal": _DISCRIMINATOR,
    "entropy": _zero("entropy"),
    "sleep": _SLEEP,
    "labelled_pairs": _PAIRS,
    "lower_numerator": _NUMERATOR,
}
_BEST = _PLAIN | {
    "consistency": _zero("consistency") | _TEACHER,
    "teacher": _TEACHER,
    "changed_labelled": {"auxiliary.labels.augment": False},
}
# What has no generator at all, and so no reconstruction term.
_GENERATOR = {"reconstruction.kind": "none"} | _SLEEP | _PAIRS

MODELS: dict[str, tuple[Any, dict[str, Fields]]] = {
    **{
        variant: (partial(mnist_reconstruction.get_config, variant), _RECONSTRUCTION)
        for variant in ("global_10_local_100", "global_5_local_100")
    },
    **{
        variant: (partial(mnist_clustering.get_config, variant), _CLUSTERS)
        for variant in ("k10", "k30")
    },
    "iae_plain": (partial(semisupervised.get_config, "iae_plain/mnist/100"), _PLAIN),
    "iae_best": (partial(semisupervised.get_config, "iae_best/mnist/100"), _BEST),
}
# Another reconstruction term: one of pixels that are independent given z has no local code.
_LIKELIHOOD: Fields = {
    "reconstruction.kind": "likelihood",
    "generator.likelihood": "bernoulli",
    "generator.noise": 0,
}
# Model -> what it has in the place of the implicit reconstruction term, and the fields that say so.
CONTROLS: dict[str, tuple[str, Fields]] = {
    **dict.fromkeys(
        ("global_10_local_100", "global_5_local_100"), ("with_likelihood", _LIKELIHOOD)
    ),
    # Without a generator code information has nothing to read.
    **dict.fromkeys(("k10", "k30"), ("without_generator", _GENERATOR | _zero("code_information"))),
    **dict.fromkeys(("iae_plain", "iae_best"), ("without_generator", _GENERATOR)),
}


def _changes() -> dict[str, Fields]:
    """Every variant, and the fields in which it differs from its model."""
    found: dict[str, Fields] = {}
    for model, (_, ingredients) in MODELS.items():
        found[f"{model}/as_it_is"] = {}
        for name, fields in ingredients.items():
            found[f"{model}/without_{name}"] = fields
        control, fields = CONTROLS[model]
        found[f"{model}/{control}"] = fields
        found[f"{model}/slides"] = {
            field: value for fields in ingredients.values() for field, value in fields.items()
        }
    return found


CHANGES = _changes()
VARIANTS = tuple(CHANGES)


def get_config(variant: str = VARIANTS[0]) -> Config:
    if variant not in CHANGES:
        raise InputError(f"a variant is one of {', '.join(CHANGES)}, not {variant!r}")
    config: Config = MODELS[variant.partition("/")[0]][0]()
    set_fields(config, CHANGES[variant])
    return config
