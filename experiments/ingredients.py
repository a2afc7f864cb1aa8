"""The headline models with each ingredient beyond the slides taken out, and with all of them out.

    python -m iae_jax.launch --config=ingredients:k10/slides --workdir=runs/k10_slides
    python -m iae_jax.sweep ingredients --seeds=3

Variants: `iae_jax/presets/ingredients.py`. Of these the marginal KL of moments and code information
(InfoGAN, Chen et al. 2016) are of codes; consistency and the entropy of the category are those of
IMSAT (Hu et al. 2017); the averaged teacher is the mean teacher (Tarvainen and Valpola 2017); the
sleep loss is of wake-sleep (Hinton et al. 1995). `without_generator` is a control: no
reconstruction term at all.

Expected, not measured yet: each of the 49 runs of a seed takes as long as that of its model.
"""

from typing import Any

from iae_jax.presets import ingredients as preset
from iae_jax.records.paired import Claim, compared
from iae_jax.records.references import Headline

get_config = preset.get_config
FIGURES: dict[str, tuple[str, ...]] = {}
SHOWN = ("label_agreement", "frechet_sample", "frechet_data", "cluster_accuracy", "test_error")
MAIN = {
    "global_10_local_100": "label_agreement",
    "global_5_local_100": "label_agreement",
    "k10": "cluster_accuracy",
    "k30": "cluster_accuracy",
    "iae_plain": "test_error",
    "iae_best": "test_error",
}
HEADLINE = tuple(
    Headline(f"{model} without what the slides do not have", metric, f"{model}/slides")
    for model, metric in MAIN.items()
)


def claims(records: list[dict[str, Any]]) -> list[Claim]:
    """Whether each ingredient helps."""
    found: list[Claim] = []
    for model, metric in MAIN.items():
        for variant in preset.VARIANTS:
            own, _, change = variant.partition("/")
            if own == model and change != "as_it_is":
                what = "all ingredients" if change == "slides" else change.removeprefix("without_")
                text = f"{model}: {what.replace('_', ' ')} help ({metric}, with and without)"
                better = "lower" if metric == "test_error" else "higher"
                found += compared(records, metric, f"{model}/as_it_is", variant, text, better)
    return found
