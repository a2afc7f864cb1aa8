"""Each variant differs from its model in what it says, and is a game. Oracle: the models' own
configs, compared field by field."""

import pytest

from experiments import ingredients as experiment
from iae_jax.presets import ingredients, mnist_clustering, mnist_reconstruction, semisupervised
from iae_jax.runs.build import build
from iae_jax.runs.config import to_dict
from iae_jax.runs.config_changes import changes

SHAPE = (28, 28, 1)


def differing(variant):
    model = variant.partition("/")[0]
    if model.startswith("global"):
        whole = mnist_reconstruction.get_config(model)
    elif model.startswith("k"):
        whole = mnist_clustering.get_config(model)
    else:
        whole = semisupervised.get_config(f"{model}/mnist/100")
    found = changes(to_dict(whole), to_dict(ingredients.get_config(variant)))
    return {name for name, _ in found}


@pytest.mark.parametrize("variant", ingredients.VARIANTS)
def test_a_variant_changes_its_own_fields_alone(variant):
    found = differing(variant)
    assert (not found) == variant.endswith("/as_it_is")
    assert found <= set(ingredients.CHANGES[variant])


def test_the_slides_have_two_adversarial_terms_and_no_other_loss():
    """But the cross entropy of the labels, where there are some."""
    for model in ingredients.MODELS:
        config = ingredients.get_config(f"{model}/slides")
        game = build(config, SHAPE)
        names = [loss.name for loss in game.objective.auxiliary]
        assert names == (["label_cross_entropy"] if model.startswith("iae") else [])
        assert config.reconstruction.kind == "joint_reconstruction"
        assert config.regularization.kind == "marginal_code"
        assert (config.reconstruction.weight, config.regularization.weight) == (1, 1)
        assert None not in game.networks


def measured(metric, variant, values):
    return {"metric": metric, "variant": variant, "seeds": [0, 1, 2], "values": values}


def test_three_sentences_say_where_the_implicit_term_helps():
    """Pairs by seed: differences 2, 1, 3 have the mean 2 and the interval -0.484 to 4.48; those of
    0.1 each are 0.1 without spread."""
    records = [
        measured("frechet_reconstruction", "global_10_local_100/as_it_is", [2.0, 3.0, 4.0]),
        measured("frechet_reconstruction", "global_10_local_100/with_likelihood", [4.0, 4.0, 7.0]),
        measured("cluster_accuracy", "k10/as_it_is", [0.75, 0.5, 0.625]),
        measured("cluster_accuracy", "k10/without_generator", [0.5, 0.25, 0.375]),
        measured("test_error", "iae_plain/as_it_is", [3.0, 2.0, 4.0]),
        measured("test_error", "iae_plain/without_generator", [9.0, 8.0, 10.0]),
        measured("test_error", "iae_best/as_it_is", [1.5, 1.25, 2.0]),
        measured("test_error", "iae_best/without_generator", [1.25, 1.0, 1.75]),
    ]
    reconstructions, clusters, labels = experiment.claims(records)
    assert [holds for _, holds in (reconstructions, clusters, labels)] == [None, True, False]
    text = reconstructions[0]
    assert text.startswith("the implicit reconstruction term helps reconstructions, beside a like")
    assert "-0.484 to 4.48" in text and "5D" not in text
    assert "k10: 0.625 and 0.375 (difference 0.25, 95 % interval 0.25 to 0.25" in clusters[0]
    assert "iae_plain: 3 and 9 (difference 6," in labels[0]
    assert "iae_best: 1.583 and 1.333 (difference -0.25, " in labels[0]
    assert experiment.claims([]) == []


def test_each_ingredient_is_a_claim_of_its_own():
    """A control is in its sentence alone."""
    records = [
        measured("cluster_accuracy", f"k10/{change}", [value, value + 1, value])
        for change, value in (
            ("as_it_is", 5.0), ("without_sleep", 9.0), ("without_entropy", 4.0),
            ("without_consistency", 7.0), ("slides", 1.0),
        )
    ]  # fmt: skip
    found = {text.partition(" (")[0]: holds for text, holds in experiment.claims(records)}
    assert found == {
        "k10: all ingredients together help": True,
        "k10: entropy helps": True,
        "k10: consistency helps": False,
    }


@pytest.mark.heavy
@pytest.mark.parametrize("variant", ingredients.VARIANTS)
def test_every_variant_is_a_game(variant):
    game = build(ingredients.get_config(variant), SHAPE)
    assert (game.networks.generator is None) == variant.endswith("/without_generator")
