"""Metrics against closed forms, scipy and numpy loops, on games whose answers are known.

The hand-written game has z = mean(x) and x_hat = x_mean + 0.1, so that every metric has an answer
that does not come from the package.
"""

import json
from functools import partial

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from copying import (
    IMAGES,
    LABELS,
    NO_PARAMS,
    RNG,
    SHAPE,
    UNIT,
    N,
    brightness_classifier,
    copying_game,
    measured,
    values,
)  # fmt: skip

from iae_jax.data import Dataset
from iae_jax.errors import InputError
from iae_jax.metrics import evaluate
from iae_jax.metrics.evaluate import Record, Trained, validate
from iae_jax.metrics.hog import hog
from iae_jax.metrics.label_agreement import of_first
from iae_jax.metrics.metric import Metric
from iae_jax.metrics.quality import partners
from iae_jax.objectives.grid import cell
from iae_jax.sampling import priors
from iae_jax.sampling.noise import NUMBERS
from iae_jax.types import Game, Generator, Players

# Metrics of the copying game


def test_reconstruction_metrics_of_a_known_game():
    found = measured(copying_game())
    assert found["pixel_error"].value == pytest.approx(0.1, rel=1e-5)
    other = partners(N, 3)
    expected = np.mean([np.abs(UNIT[i] - UNIT[other[i]]).mean() for i in range(N)])
    assert found["random_pair_error"].value == pytest.approx(expected, rel=1e-5)
    ratio = found["pixel_error"].value / found["random_pair_error"].value
    assert found["pixel_error_ratio"].value == pytest.approx(ratio) and ratio < 1
    assert found["local_spread"].value == 0
    deviation = np.mean([np.std(UNIT.reshape(N, -1)[:, d], ddof=1) for d in range(12)])
    assert found["code_standard_deviation"].value == pytest.approx(deviation, rel=1e-5)
    norm = np.mean([np.sqrt((x**2).sum()) for x in UNIT])
    assert found["code_norm"].value == pytest.approx(norm, rel=1e-5)
    # z = x, x_hat = z + 0.1: a code of the prior comes back 0.1 higher.
    assert found["code_consistency"].value == pytest.approx(0.1, rel=1e-4)
    assert set(found) == {
        "pixel_error",
        "random_pair_error",
        "pixel_error_ratio",
        "local_spread",
        "code_norm",
        "code_standard_deviation",
        "code_consistency",
        "two_sample_accuracy",
        "two_sample_accuracy_prior",
        "sliced_wasserstein",
        "sliced_wasserstein_prior",
    }
    assert {record.n for record in found.values()} == {N}


def test_classified_metrics_of_a_known_game():
    labels = np.where(np.arange(N) % 4, LABELS % 2, -1).astype(np.int32)
    found = measured(copying_game(), brightness_classifier(), labels=labels)
    seen = UNIT.reshape(N, -1).mean(1) > 0.45
    seen_hat = UNIT.reshape(N, -1).mean(1) + 0.1 > 0.45
    assert 0 < np.sum(seen != seen_hat) < N  # the oracle can tell right from wrong
    assert found["label_agreement"].value == pytest.approx(np.mean(seen == seen_hat))
    known = labels >= 0
    for metric, verdict in (("label_agreement_true", seen_hat), ("classifier_accuracy", seen)):
        assert found[metric].value == pytest.approx(np.mean(verdict[known] == labels[known]))
        assert found[metric].n == known.sum() < N
    features, features_hat = (
        np.asarray(brightness_classifier().apply(jnp.asarray(x, jnp.float32))[1])
        for x in (UNIT, UNIT + 0.1)
    )
    error = np.abs(features - features_hat).mean()
    other = np.abs(features - features[partners(N, 3)]).mean()
    assert found["feature_error_ratio"].value == pytest.approx(error / other, rel=1e-4)
    assert found["feature_error_ratio"].extractor.startswith("classifier/bright/")
    # Reconstructions are translated by 0.1 in each of 5 features.
    assert found["frechet_reconstruction"].value == pytest.approx(5 * 0.01, rel=1e-4)
    assert found["label_agreement"].extractor == "classifier/bright/01234567"
    assert found["pixel_error"].extractor == "pixels"


def test_a_slow_generator_is_sampled_for_what_is_asked_alone():
    game, classifier = copying_game(), brightness_classifier()
    quick = measured(game, classifier, x=IMAGES[:7], labels=LABELS[:7])
    networks = game.networks
    slow = networks._replace(generator=networks.generator._replace(slow=True))
    moved = Metric("moved", lambda i: i.draws.x_hat[:, 0, 0, 0], "pixels", ("generator",))
    trained = Trained(game._replace(networks=slow), NO_PARAMS, IMAGES, LABELS, extractor=classifier)
    few = partial(of_first, images=7)
    found = {one.metric: one for one in evaluate.evaluate(trained, (moved, few))}
    assert not {"pixel_error", "local_spread", "frechet_sample", "ms_ssim"} & set(found)
    assert found["moved"].value == pytest.approx(UNIT[:, 0, 0, 0].mean() + 0.1, rel=1e-5)
    assert found["label_agreement"].value == quick["label_agreement"].value
    assert (found["label_agreement"].n, found["moved"].n, found["code_norm"].n) == (7, N, N)
    assert "code_norm" in found and 0 < found["label_agreement"].value < 1


def test_without_labels_no_metric_reads_them():
    for labels in (None, np.full(N, -1)):
        found = measured(copying_game(), brightness_classifier(), labels=labels)
        assert "label_agreement" in found
        assert not {"label_agreement_true", "classifier_accuracy"} & set(found)


def test_frechet_distance_of_prior_samples(monkeypatch):
    """Against scipy on samples that are drawn here, one by one."""
    fewer = [m._replace(rows=17) if m.name == "prior_features" else m for m in evaluate.METRICS]
    monkeypatch.setattr(evaluate, "METRICS", fewer)
    found = measured(copying_game(), brightness_classifier())["frechet_sample"]
    samples = []
    for i in range(17):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(3), i), NUMBERS["prior"])
        samples.append(np.asarray(jax.random.normal(key, (12,)), np.float64) + 0.1)
    a, b = np.array(samples)[:, :5], UNIT.reshape(N, -1)[:, :5]
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert found.value == pytest.approx(expected, rel=1e-4)
    assert found.n == 17


def test_the_floor_is_between_real_images():
    train = Dataset(IMAGES, LABELS)
    same = measured(copying_game(), brightness_classifier(), train=train)
    assert same["frechet_data"].value == pytest.approx(0, abs=1e-9)
    assert same["frechet_data"].n == N
    # Without bias, the distance of a set to itself is below 0.
    assert same["kernel_distance_data"].value < 0 < same["kernel_distance"].value
    assert same["different_bins_data"].value == 0
    more = Dataset(np.concatenate([IMAGES, 255 - IMAGES]), np.concatenate([LABELS, LABELS]))
    found = measured(copying_game(), brightness_classifier(), train=more)
    other, sample = found["frechet_data"], found["frechet_sample"]
    assert other.value > 0.01 and other.n == N
    assert found["sample_ratio"].value == pytest.approx(sample.value / other.value)
    assert found["sample_ratio"].n == sample.n


def test_hog_replaces_a_classifier_and_has_no_labels():
    images = RNG.integers(0, 255, (60, 8, 8, 3), dtype=np.uint8)
    darker = Generator(lambda key: {}, lambda p, z, n: 0.5 * z.vector.reshape(-1, 8, 8, 3), 0)
    game = copying_game(prior=priors.gaussian(192))
    game = game._replace(networks=game.networks._replace(generator=darker))
    see = hog((8, 8, 3))
    found = measured(game, see, x=images, labels=np.arange(60) % 3)
    assert not {"label_agreement", "label_agreement_true", "classifier_accuracy"} & set(found)
    features = np.asarray(see.apply(jnp.asarray(images / 255.0, jnp.float32))[1], np.float64)
    # All features halve with the image.
    mean, covariance = features.mean(0), np.cov(features.T)
    expected = 0.25 * (mean @ mean + np.trace(covariance))
    record = found["frechet_reconstruction"]
    assert record.value == pytest.approx(expected, rel=1e-3)
    assert record.extractor == see.extractor and record.n == 60


@pytest.mark.heavy
def test_no_value_depends_on_the_batch_size():
    game, classifier = copying_game(local=12), brightness_classifier()
    train = Dataset(IMAGES, LABELS)
    found = [
        values(measured(game, classifier, train=train, batch_size=size)) for size in (5, 10, 23, 64)
    ]
    assert {"precision", "coverage", "different_bins", "code_nearest_accuracy"} < set(found[0])
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-5, abs=1e-9)
    another_seed = values(measured(game, classifier, seed=4))
    for metric in ("pixel_error", "local_spread", "frechet_sample", "random_pair_error"):
        assert another_seed[metric] != pytest.approx(found[0][metric], rel=1e-5)


def test_samples_that_vary_little_have_a_high_ms_ssim():
    images = RNG.integers(0, 255, (30, 16, 16, 1), dtype=np.uint8)
    networks = Players(
        None,
        Generator(lambda key: {}, lambda p, z, n: jnp.full((len(z.vector), 16, 16, 1), 0.5), 0),
    )
    found = measured(
        Game(networks, priors.gaussian(2), cell("none"), Players(), ()), x=images, labels=None
    )
    assert found["ms_ssim"].value == pytest.approx(1.0)
    assert found["ms_ssim_data"].value < 0.5


# Every cell of the grid, validation, records


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ("likelihood", "analytic_kl", "product"),
        ("joint_reconstruction", "marginal_code", "category"),
        ("marginal_data", "none", "vector"),
    ],
)
def test_cells_of_the_grid(row, column, code):
    game = games.build(row, column, code)
    params = Players(*(n and n.init(jax.random.key(1)) for n in game.networks[:2]))
    found = measured(game, x=np.asarray(games.batch(0, 9)), labels=None, params=params)
    assert all(np.isfinite(list(values(found).values())))
    assert ("negative_elbo" in found) == (row == "likelihood")
    assert ("pixel_error" in found) == (row != "marginal_data")
    assert ("category_entropy" in found) == (code != "vector")


def test_validate_is_the_same_number():
    game = copying_game(local=12)
    few = measured(game, x=IMAGES[:15], labels=None)
    found = validate(Trained(game, NO_PARAMS, IMAGES[:15], seed=3))
    assert found == {"pixel_error": pytest.approx(few["pixel_error"].value, rel=1e-6)}
    assert validate(Trained(copying_game(encoder=False), NO_PARAMS, IMAGES)) == {}


def test_records_are_json():
    record = Record("pixel_error", 0.25, 10, 3, "test", "pixels", "abc")
    assert json.loads(json.dumps(record.to_json(), allow_nan=False)) == {
        "metric": "pixel_error",
        "value": 0.25,
        "n": 10,
        "seed": 3,
        "split": "test",
        "extractor": "pixels",
        "config": "abc",
    }
    for value in (np.nan, np.inf):
        assert json.dumps(record._replace(value=value).to_json(), allow_nan=False)
    for found in measured(copying_game(), brightness_classifier(), config_hash="abc").values():
        assert (found.seed, found.split, found.config) == (3, "test", "abc")
        json.dumps(found.to_json(), allow_nan=False)


def test_a_lost_model_is_measured_as_lost():
    """A NaN in the reconstructions is a NaN in the record, not a crash or a good number."""
    game = copying_game()
    generator = game.networks.generator._replace(
        sample=lambda p, z, n: jnp.full((len(z.vector), *SHAPE), jnp.nan)
    )
    broken = game._replace(networks=game.networks._replace(generator=generator))
    found = measured(broken, brightness_classifier())
    for metric in (
        "pixel_error",
        "frechet_sample",
        "frechet_reconstruction",
        "kernel_distance",
        "precision",
        "coverage",
        "label_agreement",
        "label_agreement_true",
    ):
        assert np.isnan(found[metric].value)


def test_nothing_to_evaluate_is_one_line():
    for options in ({"x": IMAGES[:0]}, {"batch_size": 0}):
        with pytest.raises(InputError):
            measured(copying_game(), **options)
