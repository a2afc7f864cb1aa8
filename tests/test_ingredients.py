"""Each variant differs from its model in what it says, and is a game. Oracle: the models' own
configs, compared field by field."""

import pytest

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


@pytest.mark.heavy
@pytest.mark.parametrize("variant", ingredients.VARIANTS)
def test_every_variant_is_a_game(variant):
    game = build(ingredients.get_config(variant), SHAPE)
    assert (game.networks.generator is None) == variant.endswith("/without_generator")
