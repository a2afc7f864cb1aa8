"""How a feature classifier is trained: by the recipe of its images."""

import jax.numpy as jnp
import numpy as np
import pytest
from test_feature_classifier import RECIPE, TEST, TRAIN

from iae_jax.data import Dataset
from iae_jax.metrics.classifier_training import recipe_of
from iae_jax.metrics.feature_classifier import feature_classifier


def test_recipes_fit_their_images():
    assert recipe_of((8, 8, 1)).steps < recipe_of((28, 28, 1)).steps == recipe_of((32, 32, 3)).steps


def test_a_classifier_of_recoloured_images_reads_them_in_another_light(tmp_path):
    def tinted(data, shift, factor):
        images = np.repeat(data.x, 3, -1).astype(np.float32)
        return data._replace(x=np.clip(images * factor + shift, 0, 255).astype(np.uint8))

    train, dim = tinted(TRAIN, 0, 1), tinted(TEST, 90, 0.4)
    found = [
        feature_classifier(
            "bars", train, dim, tmp_path, 3, recipe=RECIPE._replace(recolour=by)
        ).test_accuracy
        for by in (None, (0.4, 0.1, 0.7))
    ]
    assert found[1] > 0.85 and found[1] > found[0] + 0.1, found


@pytest.mark.heavy
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_every_shape_can_be_trained(shape, tmp_path):
    rng = np.random.default_rng(0)
    data = Dataset(
        rng.integers(0, 256, (6, *shape), dtype=np.uint8), np.arange(6, dtype=np.int32) % 2
    )
    recipe = recipe_of(shape)._replace(steps=2, width=4)
    made = feature_classifier("noise", data, data, tmp_path, 2, recipe=recipe)
    logits, _ = made.apply(jnp.asarray(data.x) / 255)
    assert np.isfinite(logits).all()
