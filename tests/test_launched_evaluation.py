"""What an evaluation compares images by: a classifier, what it learns from, and what else."""

import json

import numpy as np
import pytest
from PIL import Image
from test_launch import launch

import iae_jax.runs.evaluation
from iae_jax.metrics.feature_classifier import FeatureClassifier

pytestmark = pytest.mark.heavy


def evaluated(tmp_path, name, *words, run="run"):
    """A tiny run on a set of 8x8 images, and what its evaluation says."""
    folder = tmp_path / run
    given = [
        "--config=tests/tiny.py",
        f"--workdir={folder}",
        f"--config.data.name={name}",
        "--config.steps=10",
        "--config.data.train=train",
        "--config.data.validation=train",
        f"--config.data.test={'test' if name.startswith('npz') else 'train'}",
        *words,
    ]
    assert launch(*given)[0] == 0
    code, _, error = launch(*given, "--mode=evaluate")
    assert code == 0, error
    return json.loads((folder / "evaluation_test.json").read_text())


def test_images_of_one_folder_have_no_classifier(tmp_path):
    """One class is no label: what compares them is the same for every such set."""
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    (tmp_path / "set" / "photos").mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "set" / "photos" / f"{number}.png")
    found = evaluated(tmp_path, f"images:{tmp_path / 'set'}")
    assert found["classifier_test_accuracy"] is None
    extractors = {one["metric"]: one["extractor"] for one in found["records"]}
    assert extractors["frechet_sample"].startswith("hog/")
    assert "label_agreement" not in extractors


def classified(tmp_path):
    """A set whose test images have no labels, and a feature classifier that nobody trained."""
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    labels = np.arange(40) % 3
    np.savez(tmp_path / "set.npz", images=images[:40], labels=labels, test_images=images[40:])

    def see(x):
        return x.reshape(len(x), -1)[:, :3], x.reshape(len(x), -1)[:, :5]

    return FeatureClassifier(see, 3, 5, float("nan"), "0123456789", 0.0, "set"), images


def test_a_classifier_that_was_not_tested_is_one(tmp_path, monkeypatch):
    classifier, _ = classified(tmp_path)
    monkeypatch.setattr(iae_jax.runs.evaluation, "feature_classifier", lambda *_: classifier)
    found = evaluated(tmp_path, f"npz:{tmp_path / 'set.npz'}")
    assert found["classifier_test_accuracy"] is None
    extractors = {one["metric"]: one["extractor"] for one in found["records"]}
    assert extractors["label_agreement"] == "classifier/set/01234567"
    assert "classifier_accuracy" not in extractors


def test_a_second_classifier_is_of_another_network_and_seed(tmp_path, monkeypatch):
    """Both are of the same images, and its measurements are beside those of the first."""
    (classifier, _), asked = classified(tmp_path), []

    def made(name, train, test, cache, classes, seed=0, recipe=None):
        asked.append((train.x.tobytes(), seed, recipe))
        return classifier if recipe is None else classifier._replace(hash="fedcba9876543210")

    monkeypatch.setattr(iae_jax.runs.evaluation, "feature_classifier", made)
    found = evaluated(tmp_path, f"npz:{tmp_path / 'set.npz'}")
    (images, seed, recipe), (again, other_seed, other) = asked
    assert images == again and seed != other_seed
    assert recipe is None and other.network == "residual" and other.recolour is None
    extractors = {one["metric"]: one["extractor"] for one in found["records"]}
    assert extractors["label_agreement"] == "classifier/set/01234567"
    assert extractors["label_agreement_second"] == "classifier/set/fedcba98"


@pytest.mark.parametrize(("images_held", "most"), [(100, 40), (30, 30), (3, 25)])
def test_a_classifier_learns_from_what_memory_holds(tmp_path, monkeypatch, images_held, most):
    """The same images for every seed, and for both classifiers."""
    (classifier, images), seen = classified(tmp_path), []
    monkeypatch.setattr(iae_jax.runs.evaluation, "MAX_CODES", 25)
    monkeypatch.setattr(iae_jax.runs.evaluation, "MAX_CLASSIFIER_BYTES", 64 * images_held)
    monkeypatch.setattr(
        iae_jax.runs.evaluation,
        "feature_classifier",
        lambda name, train, *_: seen.append(train.x) or classifier,
    )
    for seed in (1, 2):
        evaluated(tmp_path, f"npz:{tmp_path / 'set.npz'}", f"--config.seed={seed}", run=str(seed))
    first, *others = seen
    assert first.shape == (most, 8, 8, 1) and len(others) == 3
    assert all(np.array_equal(first, other) for other in others)
    places = [np.flatnonzero((images == one[..., 0]).all((1, 2))).item() for one in first]
    assert places == sorted(set(places)) and max(places) < 40
