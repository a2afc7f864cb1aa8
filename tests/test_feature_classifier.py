"""The feature classifier: it learns, it is cached with its hash, and a damaged cache is noticed.

The data: 12x12 images of 3 bars whose class is known by construction, in heavy noise.
"""

import hashlib
import io
import json
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.data import Dataset
from iae_jax.errors import InputError
from iae_jax.metrics import classifier_files
from iae_jax.metrics import feature_classifier as module
from iae_jax.metrics.classifier_training import Recipe
from iae_jax.metrics.feature_classifier import feature_classifier

RECIPE = Recipe(steps=200, batch_size=20, learning_rate=1e-2, width=8, features=6, shift_pixels=1)


def bars(seed, size, classes=3):
    """A bright horizontal, vertical or diagonal bar at a random place, in noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, size).astype(np.int32)
    images = rng.integers(0, 120, (size, 12, 12, 1), dtype=np.uint8)
    for image, label, place in zip(images, labels, rng.integers(2, 10, size), strict=True):
        rows = np.arange(12)
        where = [(place, slice(None)), (slice(None), place), (rows, (rows + place) % 12)][label]
        image[where] = 250
    return Dataset(images, labels)


TRAIN, TEST = bars(1, 200), bars(2, 90)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A classifier and its file; tests that change the file work on a copy."""
    cache = tmp_path_factory.mktemp("classifiers")
    made = feature_classifier("bars", TRAIN, TEST, cache, 3, recipe=RECIPE)
    (path,) = cache.iterdir()
    return made, path


@pytest.fixture
def copy(trained, tmp_path):
    _, path = trained
    copied = tmp_path / path.name
    copied.write_bytes(path.read_bytes())
    return copied


@pytest.fixture
def trainings(monkeypatch):
    """Records trainings (their labels) without doing them: every parameter is 0.1."""
    calls = []

    def train(network, data, recipe, seed):
        calls.append(data.labels)
        shapes = jax.eval_shape(network.init, jax.random.key(seed))
        return jax.tree.map(lambda leaf: np.full(leaf.shape, 0.1, leaf.dtype), shapes)

    monkeypatch.setattr(module, "fit", train)
    return calls


@pytest.mark.heavy
def test_it_learns_what_it_has_not_seen(trained):
    made, _ = trained
    logits, features = made.apply(jnp.asarray(TEST.x) / 255)
    assert logits.shape == (90, 3) and features.shape == (90, 6) == (90, made.features)
    right = np.mean(np.argmax(logits, -1) == TEST.labels)
    assert made.test_accuracy == pytest.approx(right)
    assert right > 0.9  # a third by chance


@pytest.mark.heavy
def test_the_last_dense_layer_reads_the_features(trained):
    made, path = trained
    logits, features = made.apply(jnp.asarray(TEST.x) / 255)
    with np.load(path) as file:
        arrays = [file[name] for name in file.files if name.startswith("leaf")]
    kernel = next(a for a in arrays if a.shape == (6, 3))
    bias = next(a for a in arrays if a.shape == (3,))
    np.testing.assert_allclose(logits, np.asarray(features) @ kernel + bias, atol=1e-5)


@pytest.mark.heavy
def test_a_cached_classifier_is_the_same_and_not_trained_again(trained, copy, trainings):
    made, _ = trained
    before = copy.read_bytes()
    again = feature_classifier("bars", TRAIN, TEST, copy.parent, 3, recipe=RECIPE)
    assert trainings == []
    assert copy.read_bytes() == before
    x = jnp.asarray(TEST.x[:5]) / 255
    np.testing.assert_array_equal(made.apply(x)[0], again.apply(x)[0])
    assert again[1:] == made[1:]


@pytest.mark.heavy
def test_the_name_in_records_is_its_hash(trained):
    made, path = trained
    assert made.extractor == f"classifier/bars/{made.hash[:8]}"
    assert len(made.hash) == 64
    with np.load(path) as file:
        metadata = json.loads(str(file["metadata"]))
    assert metadata["hash"] == made.hash
    assert metadata["recipe"]["steps"] == 200 and metadata["seed"] == 0


def flip_a_byte(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


def with_a_word_for_a_number(data):
    with np.load(io.BytesIO(data)) as file:
        arrays = dict(file)
    metadata = json.loads(str(arrays["metadata"])) | {"test_accuracy": "high"}
    changed = io.BytesIO()
    np.savez(changed, **(arrays | {"metadata": json.dumps(metadata)}))
    return changed.getvalue()


@pytest.mark.heavy
@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        lambda data: data[:-100],
        lambda data: b"",
        lambda data: b"PK\3\4no",
        with_a_word_for_a_number,
    ],
    ids=["a flipped byte", "truncated", "empty", "not a zip", "a word for a number"],
)
def test_a_damaged_file_is_trained_again_with_one_line(damage, copy, trainings, caplog):
    copy.write_bytes(damage(copy.read_bytes()))
    with caplog.at_level(logging.WARNING):
        feature_classifier("bars", TRAIN, None, copy.parent, 3, recipe=RECIPE)
        assert len(trainings) == 1
        (message,) = [record.getMessage() for record in caplog.records]
        assert "damaged, or was not trained by this user" in message and str(copy) in message
        assert "\n" not in message
        feature_classifier("bars", TRAIN, None, copy.parent, 3, recipe=RECIPE)
    assert len(trainings) == 1  # the new file is sound
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]  # nothing temporary


def test_a_forged_classifier_is_not_used(tmp_path, trainings, caplog):
    """Of the right name and network, with the hash of its own parameters, of which one says that
    everything is of class 1."""
    made = feature_classifier("bars", TRAIN, None, tmp_path, 3, recipe=RECIPE)
    (path,) = tmp_path.iterdir()
    with np.load(path) as file:
        arrays = dict(file)
    (bias,) = (name for name in arrays if arrays[name].shape == (3,))
    arrays[bias] = np.array([0, 100, 0], np.float32)
    leaves = [arrays[f"leaf_{i}"] for i in range(len(arrays) - 1)]
    metadata = json.loads(str(arrays["metadata"])) | {"hash": module._hash(leaves)}
    np.savez(path, **arrays | {"metadata": json.dumps(metadata)})
    with caplog.at_level(logging.WARNING):
        again = feature_classifier("bars", TRAIN, None, tmp_path, 3, recipe=RECIPE)
    assert again.hash == made.hash != metadata["hash"] and len(trainings) == 2
    assert len(caplog.records) == 1 and str(path) in caplog.text


def test_a_cache_of_others_is_refused(tmp_path, trainings, monkeypatch):
    cache = tmp_path / "cache"
    feature_classifier("bars", TRAIN, None, cache, 3, recipe=RECIPE)
    assert cache.stat().st_mode & 0o777 == 0o700
    for mode in (0o770, 0o703):
        cache.chmod(mode)
        with pytest.raises(InputError, match=f"others can write to {cache}, .*--config.run.cache"):
            feature_classifier("bars", TRAIN, None, cache, 3, recipe=RECIPE)
    cache.chmod(0o755)  # to read is no harm
    feature_classifier("bars", TRAIN, None, cache, 3, recipe=RECIPE)
    monkeypatch.setattr("os.geteuid", lambda: cache.stat().st_uid + 1)
    with pytest.raises(InputError, match=f"{cache} belongs to another user.*--config.run.cache"):
        feature_classifier("bars", TRAIN, None, cache, 3, recipe=RECIPE)
    assert len(trainings) == 1


def test_where_none_can_be_noted_none_is_trained(tmp_path, trainings, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        InputError, match="cannot make the folder .*: choose another XDG_STATE_HOME"
    ):
        feature_classifier("bars", TRAIN, None, tmp_path / "cache", 3, recipe=RECIPE)
    assert not trainings


def test_what_makes_another_classifier(tmp_path, trainings):
    changed = TRAIN._replace(labels=np.roll(TRAIN.labels, 1))
    for train, classes, seed, recipe in (
        (TRAIN, 3, 0, RECIPE),
        (TRAIN, 4, 0, RECIPE),
        (TRAIN, 3, 1, RECIPE),
        (TRAIN, 3, 0, RECIPE._replace(weight_decay=0.0)),
        (changed, 3, 0, RECIPE),
    ):
        feature_classifier("bars", train, None, tmp_path, classes, seed, recipe)
    assert len(trainings) == 5 == len(list(tmp_path.iterdir()))


@pytest.mark.heavy
def test_another_test_set_is_measured_without_training(copy, trainings):
    other = TEST._replace(labels=(TEST.labels + 1) % 3)
    accuracy = feature_classifier("bars", TRAIN, other, copy.parent, 3, recipe=RECIPE).test_accuracy
    assert accuracy < 0.2 and trainings == []
    assert (
        feature_classifier("bars", TRAIN, TEST, copy.parent, 3, recipe=RECIPE).test_accuracy > 0.9
    )


@pytest.mark.heavy
def test_a_shipped_classifier_is_used_whatever_the_cache_has(
    trained, tmp_path, trainings, monkeypatch
):
    """The cache has another of the same name, all of whose parameters are 0.1."""
    made, path = trained
    cache = tmp_path / "cache"
    assert feature_classifier("bars", TRAIN, TEST, cache, 3, recipe=RECIPE).hash != made.hash
    before = {file.name: file.read_bytes() for file in cache.iterdir()}
    monkeypatch.setattr(classifier_files, "SHIPPED", path.parent)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(classifier_files, "SHA256", {path.name: digest})
    assert feature_classifier("bars", TRAIN, TEST, cache, 3, recipe=RECIPE).hash == made.hash
    other = TEST._replace(labels=(TEST.labels + 1) % 3)
    assert feature_classifier("bars", TRAIN, other, cache, 3, recipe=RECIPE).test_accuracy < 0.2
    assert (
        feature_classifier("bars", TRAIN, other, tmp_path / "none", 3, recipe=RECIPE).hash
        == made.hash
    )
    assert {file.name: file.read_bytes() for file in cache.iterdir()} == before
    assert len(trainings) == 1 and not (tmp_path / "none").exists()
    monkeypatch.setattr(classifier_files, "SHA256", {path.name: "0" * 64})
    with pytest.raises(InputError, match=f"{path} is not the file that iae_jax was made with"):
        feature_classifier("bars", TRAIN, TEST, cache, 3, recipe=RECIPE)


def test_without_a_test_set_the_accuracy_is_unknown(tmp_path, trainings):
    for _ in range(2):
        assert np.isnan(
            feature_classifier("bars", TRAIN, None, tmp_path, 3, recipe=RECIPE).test_accuracy
        )


def test_unlabelled_examples_are_not_used(tmp_path, trainings):
    labels = np.where(np.arange(200) % 2, TRAIN.labels, -1).astype(np.int32)
    feature_classifier("bars", TRAIN._replace(labels=labels), None, tmp_path, 3, recipe=RECIPE)
    np.testing.assert_array_equal(trainings[0], TRAIN.labels[1::2])


def test_what_cannot_work_is_one_line(tmp_path):
    nameless = TRAIN._replace(labels=np.full(200, -1, np.int32))
    blocked = tmp_path / "file"
    blocked.write_text("")
    for arguments, said in (
        ((nameless, None, tmp_path, 3), "no"),
        ((TRAIN, None, tmp_path, 2), "label 2"),
        ((TRAIN, None, blocked / "cache", 3), "choose another --config.run.cache"),
    ):
        with pytest.raises(InputError, match=said) as error:
            feature_classifier("bars", *arguments, recipe=RECIPE)
        assert "\n" not in str(error.value)


def test_names_with_slashes_stay_in_the_cache(tmp_path, trainings):
    made = feature_classifier("npz:/some/where/x.npz", TRAIN, None, tmp_path, 3, recipe=RECIPE)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
    assert made.extractor.count("/") == 2
