"""How a feature classifier is trained: by the recipe of its images."""

import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_feature_classifier import RECIPE, TEST, TRAIN

from iae_jax.data import Dataset
from iae_jax.errors import InputError
from iae_jax.metrics import classifier_files
from iae_jax.metrics.classifier_training import Recipe, recipe_of, second_recipe
from iae_jax.metrics.feature_classifier import feature_classifier
from iae_jax.networks.classifier import NETWORKS, classifier


def test_recipes_fit_their_images():
    assert recipe_of((8, 8, 1)).steps < recipe_of((28, 28, 1)).steps == recipe_of((32, 32, 3)).steps


def test_the_second_is_another_network_that_sees_colours():
    for shape in ((8, 8, 1), (28, 28, 1), (32, 32, 3)):
        first, second = recipe_of(shape), second_recipe(shape)
        assert second.network == "residual" and first.network is None
        assert second.recolour is None
        assert (second.steps, second.features) == (first.steps, first.features)
    assert recipe_of((32, 32, 3)).recolour


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("shape", [(12, 15, 3), (16, 28, 1), (5, 4, 1)])
def test_networks_are_of_any_shape(network, shape):
    made = classifier(shape, 4, 3, 7, network)
    params = made.init(jax.random.key(1))
    x = jax.random.uniform(jax.random.key(2), (5, *shape))
    logits, features = made.apply(params, x)
    assert logits.shape == (5, 4) and features.shape == (5, 7)
    # Each example is seen by itself, and each differs.
    np.testing.assert_allclose(made.apply(params, x[2:3])[1][0], features[2], atol=1e-5)
    assert np.ptp(np.asarray(features), axis=0).max() > 1e-3


def test_a_network_that_there_is_not():
    with pytest.raises(InputError, match="is convolutional or residual, not 'deep'"):
        classifier((8, 8, 1), 4, network="deep")


@pytest.mark.heavy
def test_the_residual_network_learns_what_it_has_not_seen(tmp_path):
    recipe = RECIPE._replace(network="residual")
    made = feature_classifier("bars", TRAIN, TEST, tmp_path, 3, recipe=recipe)
    logits, features = made.apply(jnp.asarray(TEST.x) / 255)
    right = np.mean(np.argmax(logits, -1) == TEST.labels)
    assert made.test_accuracy == pytest.approx(right) and right > 0.9
    assert features.shape == (90, 6)
    other = feature_classifier("bars", TRAIN, TEST, tmp_path, 3, recipe=RECIPE._replace(steps=2))
    assert other.hash != made.hash and len(list(tmp_path.iterdir())) == 2


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


def test_the_shipped_classifiers_are_the_known_ones():
    files = classifier_files.SHIPPED.glob("*.npz")
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert found == classifier_files.SHA256


@pytest.mark.parametrize(
    "file, recipe, accuracy",
    [("mnist-b5229dd4a49a", recipe_of, 0.993), ("mnist-f2c933c268a1", second_recipe, 0.991)],
)
def test_mnists_classifiers_are_what_the_recipes_make(file, recipe, accuracy):
    """A file is found by what it was made of; its parameters have the hash that it names."""
    path = classifier_files.SHIPPED / f"{file}.npz"
    with np.load(path) as file:
        metadata = json.loads(str(file["metadata"]))
        digest = hashlib.sha256()
        arrays = [file[f"leaf_{number}"] for number in range(len(file.files) - 1)]
    digest.update(" ".join(f"{array.dtype}{array.shape}" for array in arrays).encode())
    for array in arrays:
        digest.update(array.tobytes())
    assert metadata["hash"] == digest.hexdigest()
    assert metadata["test_accuracy"] >= accuracy
    made_of = {name: metadata[name] for name in ("recipe", "classes", "seed", "train")}
    assert Recipe(**made_of["recipe"]) == recipe((28, 28, 1))
    fingerprint = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    assert path.name == f"mnist-{fingerprint[:12]}.npz"
