"""What comes near an image without a model: against numpy's singular vectors, scipy's root of a
matrix, and a classifier by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from copying import (
    LABELS,
    NO_PARAMS,
    SHAPE,
    N,
    brightness_classifier,
    copying_game,
    measured,
)

from experiments import controls
from iae_jax.data import Dataset
from iae_jax.metrics.evaluate import Trained, evaluate
from iae_jax.metrics.feature_classifier import FeatureClassifier
from iae_jax.metrics.quality import partners
from iae_jax.sampling import priors
from iae_jax.sampling.noise import NUMBERS
from iae_jax.types import Encoder, Encoding, Generator, Players

RNG = np.random.default_rng(9)
SIZE, SEED = 5, 3
# Some pixels are brighter than others, and vary more; some go together.
BRIGHT = np.linspace(40, 250, 12).reshape(SHAPE)
MIXED = RNG.normal(size=(12, 12)) * np.linspace(0.1, 1.5, 12)[:, None]


def images(count):
    away = np.tanh(RNG.normal(size=(count, 12)) @ MIXED).reshape(-1, *SHAPE)
    return np.clip(BRIGHT * (0.7 + 0.4 * away), 0, 255).astype(np.uint8)


TRAIN = Dataset(images(40), np.zeros(40, np.int32))
X = images(N)
TOLD, ASKED = (x.reshape(len(x), 12) / 255 for x in (TRAIN.x, X))
THRESHOLD = float(np.sort(ASKED.mean(axis=1))[11:13].mean())  # between two


def grey_game():
    """A code of the first five pixels, and reconstructions that are grey."""
    first = Encoder(
        lambda key: {}, lambda p, x, n: Encoding(vector=x.reshape(len(x), -1)[:, :SIZE]), 0, False
    )
    grey = Generator(lambda key: {}, lambda p, z, n: jnp.full((len(n), *SHAPE), 0.5), 0)
    return copying_game(prior=priors.gaussian(SIZE))._replace(networks=Players(first, grey))


def of_last(images):
    """Class 1 where the last four pixels are bright; features: the last seven."""
    flat = images.reshape(len(images), -1)
    bright = flat[:, 8:].mean(axis=-1)
    return jnp.stack([jnp.full_like(bright, LAST), bright], axis=-1), flat[:, 5:]


LAST = float(np.sort(ASKED[:, 8:].mean(axis=1))[8:10].mean())
SECOND = FeatureClassifier(jax.jit(of_last), 2, 7, 1.0, "fedcba9876543210", 0.0, "last")


def rebuilt(asked):
    """From the first five principal components of the training images."""
    mean = TOLD.mean(axis=0)
    axes = np.linalg.svd(TOLD - mean)[2][:SIZE]
    return np.clip(mean + (asked - mean) @ axes.T @ axes, TOLD.min(), TOLD.max())


def frechet(a, b):
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    spread = np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + spread


def halves():
    order = np.random.default_rng(SEED).permutation(N)
    return order[:12], order[12:]


def values(extractor=None, game=None, **options):
    found = measured(game or grey_game(), extractor, x=X, seed=SEED, train=TRAIN, **options)
    return {name: record.value for name, record in found.items()}


def test_principal_components_are_measured_as_a_model_is():
    see, hat = brightness_classifier(THRESHOLD), rebuilt(ASKED)
    found, other = values(see), ASKED[partners(N, SEED)]
    error = np.abs(hat - ASKED).mean()
    assert found["pixel_error_pca"] == pytest.approx(error, rel=1e-4)
    pairs = np.abs(other - ASKED).mean()
    assert found["pixel_error_ratio_pca"] == pytest.approx(error / pairs, rel=1e-4)
    classes = [one.mean(axis=1) > THRESHOLD for one in (ASKED, hat)]
    assert 0 < np.mean(classes[0] == classes[1]) < 1  # the oracle can tell right from wrong
    assert found["label_agreement_pca"] == pytest.approx(np.mean(classes[0] == classes[1]))
    assert found["label_agreement_true_pca"] == pytest.approx(np.mean(classes[1] == LABELS))
    features = [one[:, :5] for one in (ASKED, hat, other)]
    of_hat, of_pair = (np.abs(one - features[0]).mean() for one in features[1:])
    assert found["feature_error_pca"] == pytest.approx(of_hat, rel=1e-4)
    assert found["feature_error_ratio_pca"] == pytest.approx(of_hat / of_pair, rel=1e-4)
    of_all = frechet(features[1], features[0])
    assert found["frechet_reconstruction_pca"] == pytest.approx(of_all, rel=1e-3)
    one, rest = halves()
    unpaired = frechet(features[1][one], features[0][rest])
    assert found["frechet_reconstruction_unpaired_pca"] == pytest.approx(unpaired, rel=1e-3)
    # The model's own are those of grey images.
    assert found["feature_error"] == pytest.approx(np.abs(features[0] - 0.5).mean(), rel=1e-4)
    assert not {"classifier_accuracy_pca", "frechet_data_pca", "random_pair_error_pca"} & set(found)


def test_samples_of_principal_components_are_of_their_gaussian():
    """Codes that are drawn here, one by one, in units of the components' SD."""
    mean = TOLD.mean(axis=0)
    _, singular, axes = np.linalg.svd(TOLD - mean)
    keys = [jax.random.fold_in(jax.random.key(SEED), i) for i in range(N)]
    drawn = [jax.random.normal(jax.random.fold_in(k, NUMBERS["prior"]), (SIZE,)) for k in keys]
    sd = singular[:SIZE] / np.sqrt(len(TOLD) - 1)
    # The sign of a component is anybody's: sklearn makes its largest entry positive.
    axes = axes[:SIZE]
    found = values(brightness_classifier(THRESHOLD))["frechet_sample_pca"]
    distances = []
    for signs in np.stack(np.meshgrid(*[[-1, 1]] * SIZE), -1).reshape(-1, SIZE):
        samples = mean + (np.array(drawn) * sd * signs) @ axes
        samples = np.clip(samples, TOLD.min(), TOLD.max())
        distances.append(frechet(samples[:, :5], ASKED[:, :5]))
    assert np.abs(np.array(distances) / found - 1).min() < 1e-3
    assert np.std(distances) > 0.01 * found


def test_where_principal_components_are_no_control():
    assert "pixel_error_pca" not in measured(grey_game(), x=X)  # nothing to learn from
    # As many components as pixels leave no error to speak of.
    assert "pixel_error_pca" not in values(game=copying_game())
    without = values()
    assert "pixel_error_pca" in without and "label_agreement_pca" not in without


def test_one_image_in_the_place_of_all():
    found = values(batch_size=10)
    median = np.median(TOLD, axis=0)
    assert found["pixel_error_median"] == pytest.approx(np.abs(ASKED - median).mean(), rel=1e-5)
    assert found["pixel_error_black"] == pytest.approx(ASKED.mean(), rel=1e-5)
    assert found["pixel_error_median"] < 0.9 * np.abs(ASKED - TOLD.mean()).mean()


def test_random_pairs_in_a_classifier():
    brightness, other = ASKED.mean(axis=1), partners(N, SEED)
    few = float(np.sort(brightness)[5:7].mean())  # are darker
    found, bright = values(brightness_classifier(few)), brightness > few
    assert found["label_agreement_random_pair"] == pytest.approx(np.mean(bright == bright[other]))
    assert found["label_agreement_random_pair"] != pytest.approx(found["label_agreement"])
    error = np.abs(ASKED[:, :5] - ASKED[other, :5]).mean()
    assert found["feature_error_random_pair"] == pytest.approx(error, rel=1e-5)


def test_copies_have_a_paired_distance_of_0_and_an_unpaired_one_of_its_floor():
    exact = copying_game()
    same = Generator(lambda key: {}, lambda p, z, n: z.vector.reshape(-1, *SHAPE), 0)
    networks = exact.networks._replace(generator=same)
    records = measured(
        exact._replace(networks=networks), brightness_classifier(THRESHOLD), x=X, seed=SEED
    )
    found = {name: record.value for name, record in records.items()}
    one, rest = halves()
    floor = frechet(ASKED[one, :5], ASKED[rest, :5])
    assert found["frechet_data_unpaired"] == pytest.approx(floor, rel=1e-4) and floor > 1e-3
    assert found["frechet_reconstruction_unpaired"] == pytest.approx(floor, rel=1e-4)
    assert found["frechet_reconstruction"] == pytest.approx(0, abs=1e-6)
    assert records["frechet_data_unpaired"].n == 12
    moved = measured(copying_game(), brightness_classifier(THRESHOLD), x=X, seed=SEED)
    distance = frechet(ASKED[one, :5] + 0.1, ASKED[rest, :5])
    assert moved["frechet_reconstruction_unpaired"].value == pytest.approx(distance, rel=1e-4)


def test_a_second_classifier_is_recorded_beside_the_first():
    see, train = brightness_classifier(THRESHOLD), Dataset(images(60), np.zeros(60, np.int32))
    options = {"x": X, "seed": SEED, "train": train}
    first = measured(grey_game(), see, **options)
    both = measured(grey_game(), see, second=SECOND, **options)
    alone = measured(grey_game(), SECOND, **options)
    assert {name: both[name] for name in first} == first
    more = {name.removesuffix("_second"): both[name] for name in both.keys() - first.keys()}
    assert all(name.endswith("_second") for name in both.keys() - first.keys())
    for name, record in more.items():
        assert record.value == pytest.approx(alone[name].value, rel=1e-6), name
        assert record.extractor == "classifier/last/fedcba98"
        assert record.n == alone[name].n
    assert {
        "label_agreement", "label_agreement_pca", "label_agreement_random_pair", "sample_ratio",
        "classifier_accuracy", "feature_error_ratio", "feature_error_ratio_pca", "frechet_sample",
        "frechet_reconstruction_unpaired", "frechet_data_unpaired",
    } <= set(more)  # fmt: skip
    assert not {"pixel_error", "pixel_error_pca", "kernel_distance"} & set(more)
    bright = ASKED[:, 8:].mean(axis=1) > LAST
    agreement = both["label_agreement_second"].value
    assert agreement == pytest.approx(np.mean(bright == (LAST < 0.5))) and 0 < agreement < 1


def test_a_slow_generator_is_not_sampled_for_the_second():
    game = grey_game()
    networks = game.networks
    slow = networks._replace(generator=networks.generator._replace(slow=True))
    see = brightness_classifier(THRESHOLD)
    trained = Trained(
        game._replace(networks=slow), NO_PARAMS, X, LABELS, extractor=see, second=SECOND
    )
    assert not [one for one in evaluate(trained) if one.metric.endswith("_second")]


def test_the_table_has_each_control_in_its_column():
    def record(metric, mean, variant="a"):
        return {"metric": metric, "variant": variant, "mean": mean, "sd": None}

    records = [
        record("pixel_error", 0.1), record("random_pair_error", 0.5), record("code_norm", 7.0),
        record("pixel_error_black", 0.4), record("label_agreement_second", 0.9),
        record("label_agreement_pca_second", 0.8), record("frechet_reconstruction_unpaired", 3.0),
        record("frechet_data_unpaired", 2.5), record("pixel_error", 0.2, "without"),
    ]  # fmt: skip
    lines = controls.table(records).splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")][2:] == list(controls.COLUMNS)
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:]] == [
        ["a", "pixel error", "0.1", "", "0.5", "", "0.4", ""],
        ["a", "Fréchet distance of reconstructions, unpaired", "3", "", "", "", "", "2.5"],
        ["a", "label agreement, second classifier", "0.9", "0.8", "", "", "", ""],
    ]


def test_claims_are_of_the_same_seeds_in_the_second_classifier():
    def record(metric, values, variant="a"):
        seeds = list(range(len(values)))
        return {"metric": metric, "variant": variant, "values": values, "seeds": seeds}

    records = [
        # The first classifier says the contrary.
        record("feature_error_ratio", [0.9] * 3), record("feature_error_ratio_pca", [0.1] * 3),
        record("feature_error_ratio_second", [0.30, 0.31, 0.29]),
        record("feature_error_ratio_pca_second", [0.50, 0.52, 0.51]),
        record("label_agreement_second", [0.90, 0.91, 0.92, 0.93]),
        record("label_agreement_pca_second", [0.95, 0.97, 0.96]),
        record("feature_error_ratio", [0.4, 0.5], "hog"),
        record("feature_error_ratio_pca", [0.2, 0.8], "hog"), record("pixel_error", [1.0], "other"),
    ]  # fmt: skip
    nearer, kept, of_hog = controls.claims(records)
    assert nearer[1] is True and kept[1] is False and of_hog[1] is None
    assert (
        nearer[0].startswith("a: features of reconstructions are nearer")
        and "0.3 and 0.51" in nearer[0]
    )
    assert "second classifier" in kept[0] and "3 seeds" in kept[0] and "second" not in of_hog[0]
    assert controls.claims(records, ["other"]) == []
