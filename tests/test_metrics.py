"""Metrics as values: batches, what is computed and what is not, and a user's own metrics."""

import logging
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.errors import InputError
from iae_jax.metrics.codes import CODE_VECTOR
from iae_jax.metrics.evaluate import METRICS, Trained, best_metric, evaluate, named, validate
from iae_jax.metrics.measurement import Measurement
from iae_jax.metrics.metric import FEATURES, Metric
from iae_jax.metrics.stream import padded_batches, stream
from iae_jax.objectives.grid import cell
from iae_jax.sampling import priors
from iae_jax.types import Encoder, Encoding, Game, Generator, Players

SHAPE = (2, 3, 1)
X = np.random.default_rng(7).uniform(0, 1, (11, *SHAPE)).astype(np.float32)
LABELS = (np.arange(11) % 3 - 1).astype(np.int32)


class Counting:
    """A copying game and an extractor that count how often they are traced."""

    def __init__(self, slow=False, mean=False, likelihood=False):
        self.calls = Counter()

        def encode(params, x, noise):
            self.calls["encode"] += 1
            return Encoding(vector=x.reshape(len(x), -1))

        def sample(params, z, noise):
            self.calls["sample"] += 1
            return z.vector.reshape(-1, *SHAPE) + 0.1

        def expected(params, z):
            self.calls["mean"] += 1
            return z.vector.reshape(-1, *SHAPE) + 0.25

        networks = Players(
            Encoder(lambda key: {}, encode, 0),
            Generator(lambda key: {}, sample, 0, mean=expected if mean else None, slow=slow),
        )
        self.game = Game(networks, priors.gaussian(6), cell("none"), Players(), ())
        self.trained = Trained(
            self.game, Players({}, {}), X, LABELS, "test", 3, 1.0, self, batch_size=4
        )

    extractor, classes = "first/1", 2

    def apply(self, x):
        self.calls["extract"] += 1
        flat = x.reshape(len(x), -1)
        return flat[:, :2], flat[:, :4]


def of_name(name):
    (metric,) = [metric for metric in METRICS if metric.name == name]
    return metric


def values(records):
    return {record.metric: record.value for record in records}


def brightness(inputs):
    return jnp.mean(inputs.draws.x, axis=(1, 2, 3))


BRIGHTNESS = Metric("brightness", brightness, "pixels")


@pytest.mark.parametrize(("size", "batch"), [(23, 10), (20, 10), (3, 10), (1, 1)])
def test_every_example_is_in_one_batch(size, batch):
    seen = []
    for first, indices, count in padded_batches(size, batch):
        assert len(indices) == batch and first == len(seen) and indices.max() < size
        seen += list(indices[:count])
    assert seen == list(range(size))


# What is computed


@pytest.mark.parametrize(
    ("names", "calls"),
    [
        (["random_pair_error"], {}),
        (["code_norm"], {"encode": 1}),
        (["pixel_error", "local_spread"], {"encode": 1, "sample": 1}),
        (["classifier_accuracy", "features"], {"extract": 1}),
        (["label_agreement", "classifier_accuracy"], {"encode": 1, "sample": 1, "extract": 2}),
        (["x_prior"], {"sample": 1}),
    ],
)
def test_only_what_is_asked_for_is_computed_and_once(names, calls):
    counting = Counting()
    metrics = [of_name(name) for name in names]
    found = stream(counting.trained, metrics)
    assert {*found.moments, *found.rows} == set(names)
    if "vector" in {word for metric in metrics for word in metric.reads}:
        counting.calls["encode"] -= 1  # to see that there is a vector
    assert counting.calls == calls
    stream(counting.trained._replace(x=X + 1), metrics)
    assert counting.calls["sample"] == calls.get("sample", 0)  # compiled once


def test_a_slow_generator_is_not_sampled_but_where_a_user_asks():
    for mean in (True, False):
        counting = Counting(slow=True, mean=mean)
        found = validate(counting.trained)
        assert counting.calls["sample"] == 0
        assert found == ({"pixel_error": pytest.approx(0.25, rel=1e-5)} if mean else {})
        assert best_metric(counting.game) == ("pixel_error" if mean else None)
        full = values(evaluate(counting.trained))
        assert full.get("pixel_error") == (pytest.approx(0.25, rel=1e-5) if mean else None)
        assert counting.calls["sample"] == 0 and "frechet_sample" not in full
        first = Metric("first", lambda inputs: inputs.draws.x_hat[:, 0, 0, 0], "", ("generator",))
        assert "first" in values(evaluate(counting.trained, (first,)))
        assert counting.calls["sample"] > 0
    fast = Counting(mean=True)
    assert validate(fast.trained) == {"pixel_error": pytest.approx(0.1, rel=1e-5)}
    assert best_metric(fast.game) == "pixel_error"


# A user's own


def test_a_users_metrics_and_measures_are_recorded_like_the_others():
    def corner(inputs):
        return inputs.of_x.features[:, 0]

    def agreement(inputs):
        return (inputs.labels == 1).astype(jnp.float32)

    def norm_of_codes(trained):
        z = trained.streamed.rows["code_vector"]
        kept = trained.streamed.rows["reversed"]
        yield Measurement("largest_norm", np.linalg.norm(z, axis=1).max(), len(z), "code")
        yield Measurement("reversed_norm", np.linalg.norm(kept), len(kept))

    extra = (
        BRIGHTNESS,
        Metric("corner", corner, FEATURES, ("features",)),
        Metric("agreement", agreement, reads=("labels",)),
        Metric("reversed", lambda inputs: inputs.draws.x[:, ::-1], rows=5),
        norm_of_codes,
    )
    counting = Counting()
    records = {one.metric: one for one in evaluate(counting.trained, extra, "abc")}
    own = {
        "brightness": (X.mean(), 11, "pixels"),
        "corner": (X[:, 0, 0, 0].mean(), 11, "first/1"),
        "agreement": (np.mean(LABELS[LABELS >= 0] == 1), np.sum(LABELS >= 0), ""),
        "largest_norm": (np.sqrt(np.square(X).sum((1, 2, 3)).max()), 11, "code"),
        "reversed_norm": (np.sqrt(np.square(X[:5]).sum()), 5, ""),
    }
    for name, (value, n, space) in own.items():
        record = records.pop(name)
        assert record.value == pytest.approx(value, rel=1e-5) and record.n == n
        assert (record.extractor, record.config, record.split) == (space, "abc", "test")
    assert "reversed" not in records
    assert values(records.values()) == values(evaluate(counting.trained))


def test_a_metric_can_draw_again():
    """Other noise for the same x: N(0, 1) of the folded key."""

    def first_noise(inputs):
        again = inputs.again(1234)
        return again.noise("mine", lambda key: jax.random.normal(key, (2,)))[:, 0]

    trained = Counting().trained
    found = stream(trained, [Metric("again", first_noise, rows=99)]).rows["again"]
    from zlib import crc32

    for i in range(11):
        key = jax.random.key(3)
        for number in (i, 1234, crc32(b"mine")):
            key = jax.random.fold_in(key, number)
        assert found[i] == jax.random.normal(key, (2,))[0]


def test_what_is_not_there_leaves_a_users_metric_out_with_a_line(caplog):
    metric = Metric("colourful", brightness, reads=("colour", "encoder"))
    with caplog.at_level(logging.WARNING):
        found = values(evaluate(Counting().trained, (metric,)))
    assert "colourful" not in found
    (message,) = [record.getMessage() for record in caplog.records]
    assert "colourful" in message and "colour" in message and "encoder" not in message


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (Metric("pixel_error", brightness), "two metrics are called pixel_error"),
        (Metric("mine", brightness, reads=("color",)), "reads 'color': choose from encoder, "),
        (Metric("mine", brightness, reads="labels"), "reads is a tuple"),
        (Metric("mine", brightness, reads=["labels"]), "hashed"),
        (Metric("mine", lambda inputs: jnp.mean(inputs.draws.x)), "not a number for each of 4"),
        (Metric("mine", lambda inputs: inputs.draws.x), "not a number for each of 4"),
        (Metric("mine", lambda inputs: inputs.draws.data("y")), "the metric mine needs 'y'"),
        (lambda trained: [0.5], "no Measurement"),
        (lambda trained: [Measurement("code_norm", 1.0, 1)], "two measures are called code_norm"),
    ],
)
def test_what_cannot_be_measured_is_one_line(extra, message):
    with pytest.raises(InputError, match=message) as error:
        evaluate(Counting().trained, (extra,))
    assert "\n" not in str(error.value)


MODULE = """
from iae_jax.metrics.measurement import Measurement
from iae_jax.metrics.metric import Metric

BRIGHTNESS = Metric("brightness", lambda inputs: inputs.draws.x.mean((1, 2, 3)))
BOTH = (BRIGHTNESS, BRIGHTNESS._replace(name="other"))
NUMBER = 3

def power(exponent=2):
    return Metric("power", lambda inputs: (inputs.draws.x ** exponent).mean((1, 2, 3)))

def count(trained, factor=1):
    yield Measurement("count", factor * len(trained.x), len(trained.x))

def required(exponent):
    return power(exponent)

class Largest:
    def __init__(self, name="largest"):
        self.name = name
    def __call__(self, trained):
        return [Measurement(self.name, trained.x.max(), len(trained.x))]
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "own_measures.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("own_measures:BRIGHTNESS", {"brightness": X.mean()}),
        ("own_measures:BOTH", {"brightness": X.mean(), "other": X.mean()}),
        ("own_measures:power", {"power": (X**2).mean()}),
        ("own_measures:power(exponent=3)", {"power": (X**3).mean()}),
        ("own_measures:required(exponent=3)", {"power": (X**3).mean()}),
        ("own_measures:count", {"count": 11}),
        ("own_measures:count(factor=2)", {"count": 22}),
        ("own_measures:Largest(name='most')", {"most": X.max()}),
    ],
)
def test_a_config_names_metrics_and_measures(kind, expected, module):
    trained = Counting().trained
    found = values(evaluate(trained, named([kind])))
    for name, value in values(evaluate(trained)).items():
        assert found.pop(name) == value
    assert found == {name: pytest.approx(value, rel=1e-5) for name, value in expected.items()}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("own_measures:nothing", "has no 'nothing'"),
        ("own_measures:NUMBER", "is 3, no Metric"),
        ("own_measures:BRIGHTNESS(a=1)", "takes no arguments"),
        ("own_measures:power(a=1)", "cannot be called so"),
        ("no_module_of_mine:x", "cannot import"),
        ("brightness", "MODULE:NAME"),
    ],
)
def test_a_config_that_names_no_metric_is_refused(kind, message, module):
    with pytest.raises(InputError, match=message):
        named([kind])


def test_rows_are_those_of_the_split():
    found = stream(Counting().trained, (CODE_VECTOR,)).rows["code_vector"]
    np.testing.assert_array_equal(found, X.reshape(11, 6))
