"""The headline models with each ingredient beyond the slides taken out, and with all of them out.

    python -m iae_jax.launch --config=ingredients:k10/slides --workdir=runs/k10_slides
    python -m iae_jax.sweep ingredients --seeds=3

Variants: `iae_jax/presets/ingredients.py`. Of these the marginal KL of moments and code information
(InfoGAN, Chen et al. 2016) are of codes; consistency and the entropy of the category are those of
IMSAT (Hu et al. 2017); the averaged teacher is the mean teacher (Tarvainen and Valpola 2017); the
sleep loss is of wake-sleep (Hinton et al. 1995). `without_generator` and `with_likelihood` are
controls: no reconstruction term at all, and the likelihood of an autoencoder in its place.

Expected, not measured yet: each of the 51 runs of a seed takes as long as that of its model, those
of a likelihood or without a generator a third of that.
"""

from typing import Any

from iae_jax.presets import ingredients as preset
from iae_jax.records.paired import Claim, all_of, compared
from iae_jax.records.references import Headline

get_config = preset.get_config
FIGURES: dict[str, tuple[str, ...]] = {}
SHOWN = (
    "label_agreement",
    "frechet_reconstruction",
    "frechet_sample",
    "frechet_data",
    "sample_ratio",
    "cluster_accuracy",
    "test_error",
)
MAIN = {
    "global_10_local_100": "label_agreement",
    "global_5_local_100": "label_agreement",
    "k10": "cluster_accuracy",
    "k30": "cluster_accuracy",
    "iae_plain": "test_error",
    "iae_best": "test_error",
}
# Does the implicit reconstruction term help, and where? What it may help -> metric, models.
HELPED = {
    "reconstructions, beside a likelihood": (
        "frechet_reconstruction",
        ("global_10_local_100", "global_5_local_100"),
    ),
    "clusters, beside no generator": ("cluster_accuracy", ("k10", "k30")),
    "few labels, beside no generator": ("test_error", ("iae_plain", "iae_best")),
}
LOWER = ("test_error", "frechet_reconstruction")  # is better
HEADLINE = tuple(
    Headline(f"{model} without what the slides do not have", metric, f"{model}/slides")
    for model, metric in MAIN.items()
)


def claims(records: list[dict[str, Any]]) -> list[Claim]:
    """Whether the implicit reconstruction term helps, a sentence for each place; then whether each
    ingredient does."""
    return [*_sentences(records), *_of_each(records)]


def _sentences(records: list[dict[str, Any]]) -> list[Claim]:
    found: list[Claim] = []
    for what, (metric, models) in HELPED.items():
        each: list[Claim] = []
        for model in models:
            control = f"{model}/{preset.CONTROLS[model][0]}"
            each += compared(records, metric, f"{model}/as_it_is", control, model, _better(metric))
        if each:
            texts = "; ".join(text for text, _ in each)
            text = f"the implicit reconstruction term helps {what} ({metric}, with and without)"
            found.append((f"{text}: {texts}", all_of([holds for _, holds in each])))
    return found


def _of_each(records: list[dict[str, Any]]) -> list[Claim]:
    found: list[Claim] = []
    for model, metric in MAIN.items():
        changes = {f"{model}/slides": "all ingredients together help"} | {
            f"{model}/without_{name}": f"{name.replace('_', ' ')} helps"
            for name in preset.MODELS[model][1]
        }
        for variant, says in changes.items():
            text = f"{model}: {says} ({metric}, with and without)"
            found += compared(records, metric, f"{model}/as_it_is", variant, text, _better(metric))
    return found


def _better(metric: str) -> str:
    return "lower" if metric in LOWER else "higher"
