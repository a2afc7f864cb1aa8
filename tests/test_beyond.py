"""What a config has beyond the slides. Oracle: the preset `ingredients`, which takes each part out
by its fields."""

import pytest

from iae_jax.presets import ingredients, mnist_reconstruction, semisupervised, svhn_reconstruction
from iae_jax.presets.beyond import beyond

# Ingredient -> its words; without consistency there is no teacher.
WORDS = {
    "marginal": {"moment-matched KL of q(z)"},
    "exact_marginal": {"exact KL(q(y) ‖ p(y))"},
    "consistency": {"consistency under affine changes"},
    "code_information": {"code information"},
    "lower_weight": {"code discriminator at weight 0.1"},
    "lower_numerator": {"encoder's gradient through joint data at weight 0.05"},
    "entropy": {"entropy of the category"},
    "sleep": {"sleep loss"},
    "labelled_pairs": {"labels in joint data"},
    "teacher": {"a mean teacher"},
    "changed_labelled": {"augmented labelled images"},
}


def words(config):
    return set(beyond(config).split(", ")) - {""}


@pytest.mark.parametrize("model", ingredients.MODELS)
def test_it_is_the_ingredients_and_nothing_else(model):
    parts = ingredients.MODELS[model][1]
    whole = words(ingredients.get_config(f"{model}/as_it_is"))
    assert whole == set().union(*(WORDS[name] for name in parts))
    assert words(ingredients.get_config(f"{model}/slides")) == set()
    for name in parts:
        teacher = WORDS["teacher"] if name == "consistency" else set()
        left = words(ingredients.get_config(f"{model}/without_{name}"))
        assert left == whole - WORDS[name] - teacher


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (mnist_reconstruction.get_config("vae_20"), ""),
        (mnist_reconstruction.get_config("ali_20"), ""),
        (mnist_reconstruction.get_config("vae_20/learned_prior"), "a prior that learns"),
        (semisupervised.get_config("improved_gan/mnist/100"), ""),
        (semisupervised.get_config("supervised/mnist/100"), "augmented labelled images"),
    ],
)
def test_of_other_models(config, found):
    assert beyond(config) == found


def test_changes_have_their_kind():
    """Of the virtual adversarial ones, and of what a discriminator reads."""
    faithful = words(semisupervised.get_config("iae_faithful/mnist/100"))
    assert "consistency under virtual adversarial changes" in faithful
    colour = svhn_reconstruction.get_config("deterministic_150/small/standin")
    assert "cutout" in words(colour) and "blur" not in words(colour)
