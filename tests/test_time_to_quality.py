"""Time to quality: its arithmetic against numbers by hand, its configs beside those of the
experiments, and, at toy size, its values beside those of a whole evaluation."""

import json
import math
from contextlib import contextmanager
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from matplotlib import pyplot

from experiments import time_to_quality
from experiments.learning_curve import Curve, Work, crossing
from experiments.time_to_quality import WORKS, config_of, rows_of
from iae_jax import init
from iae_jax.errors import InputError
from iae_jax.files import figures
from iae_jax.game.game import losses
from iae_jax.metrics.measurement import Trained
from iae_jax.runs.build import build
from iae_jax.runs.config import Config, identity
from iae_jax.runs.evaluation import evaluate_run
from iae_jax.sampling.noise import Noise, example_keys, normal

HIGHER = Work(Config, "label_agreement", 0.9, True, "")
LOWER = Work(Config, "negative_elbo", 90.0, False, "")


@pytest.mark.parametrize(
    ("work", "values", "when"),
    [
        (HIGHER, [0.5, 0.8, 1.0, 0.7], 30.0),  # half-way between the second and the third
        (HIGHER, [0.5, 0.9, 0.8, 0.9], 20.0),  # exactly, and the first time
        (HIGHER, [0.95, 0.5, 0.8, 1.0], 10.0),  # at once: a bound
        (HIGHER, [0.5, 0.8, 0.89, 0.899], None),
        (LOWER, [200.0, 100.0, 96.0, 88.0], 70.0),  # three quarters of the last 40 seconds
        (LOWER, [89.0, 95.0, 96.0, 97.0], 10.0),
        (LOWER, [100.0, 95.0, 96.0, 97.0], None),
    ],
)
def test_the_target_is_met_between_two_checkpoints(work, values, when):
    assert crossing([10.0, 20.0, 40.0, 80.0], values, work) == (
        None if when is None else pytest.approx(when)
    )


def curve(seconds, values, compiled=0.0):
    steps = [100 * (i + 1) for i in range(len(values))]
    return Curve(steps, seconds, values, 5000, compiled, "cpu")


def test_rows_of_what_is_reached_and_of_what_is_not():
    found = {
        ("vae_20", "ours"): [
            curve([60.0, 120.0], [100.0, 80.0], 5.0), curve([60.0, 180.0], [95.0, 85.0], 7.0)
        ],
        ("vae_20", "pythae"): [
            curve([120.0, 240.0], [92.0, 88.0]), curve([60.0, 600.0], [90.0, 88.0])
        ],
        ("clusters_10", "ours"): [
            curve([60.0, 90.0], [0.9, 0.97]), curve([60.0, 90.0], [0.9, 0.99])
        ],
    }  # fmt: skip
    rows = {(row.metric, row.variant): row.values for row in rows_of(found)}
    assert rows["minutes_to_quality", "vae_20/ours"] == pytest.approx([1.5, 2.0])
    assert rows["minutes_to_quality", "vae_20/pythae"] == pytest.approx([3.0, 1.0])
    assert rows["minutes_ratio", "vae_20/pythae"] == pytest.approx([2.0 / 1.75])
    assert rows["compile_seconds", "vae_20/ours"] == [5.0, 7.0]
    assert ("compile_seconds", "vae_20/pythae") not in rows
    # One of two rounds misses it.
    assert rows["reached", "clusters_10/ours"] == [0.5]
    assert ("minutes_to_quality", "clusters_10/ours") not in rows
    assert rows["best_quality", "clusters_10/ours"] == [0.97, 0.99]
    assert rows["best_quality", "vae_20/ours"] == [80.0, 85.0]
    assert rows["training_minutes", "vae_20/ours"] == [2.0, 3.0]
    assert rows["quality", "vae_20/ours/200"] == [80.0, 85.0]
    assert rows["minutes", "vae_20/ours/200"] == [2.0, 3.0]
    assert {row.n_examples for row in rows_of(found)} == {5000}


@pytest.mark.parametrize("name", WORKS)
def test_a_training_is_the_experiments_with_its_checkpoints_kept(name):
    work = WORKS[name]
    config, own = config_of(work, 0, seed=0), work.config()
    assert identity(config) == identity(own)
    run = config.run
    assert run.log_steps == run.checkpoint_steps and run.log_steps % run.steps_per_call == 0
    checkpoints = math.ceil(config.steps / run.checkpoint_steps)
    assert 18 <= checkpoints <= 24 and run.keep >= checkpoints
    assert config_of(work, 7, seed=3).steps == 7 and config_of(work, 7, seed=3).seed == 3
    # Choices are made on images that are not trained on.
    assert (config.data.train, config.data.validation) == ("train[:55000]", "train[55000:]")


def test_bad_words_are_one_line(monkeypatch, capsys):
    monkeypatch.setattr(time_to_quality.importlib.util, "find_spec", lambda name: None)
    for words, message in (
        (["--works=clusters_10,nothing"], "--works are some of reconstruction_20"),
        (["--works=vae_20"], "pythae is not installed"),
        (["--steps=-1"], "--steps is 1 or more"),
        (["--rounds=0"], "--rounds is at least 1"),
        (["--seconds=3"], "see --help"),
    ):
        assert time_to_quality.main(words) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


@pytest.fixture
def toys(monkeypatch, data_directory):
    """The works at toy size, on the digits."""

    def vae(name="digits"):
        config = tiny.get_config("vae")
        config.data.name, config.data.directory = name, data_directory
        return config

    def labelled():
        config = tiny.get_config()
        config.data.directory, config.data.labels_per_class = data_directory, 2
        config.code.size, config.code.categories = 0, 10
        config.regularization.kind = "none"
        config.auxiliary.labels.weight.value = 1.0
        return config

    found = {
        "vae_20": WORKS["vae_20"]._replace(config=vae),
        "clusters_10": WORKS["clusters_10"]._replace(config=labelled),
        "labels_100": WORKS["labels_100"]._replace(config=labelled),
    }
    monkeypatch.setattr(time_to_quality, "WORKS", found)
    return found


@pytest.mark.slow
def test_checkpoints_have_the_values_of_a_whole_evaluation(toys, tmp_path):
    for name, recorded in (("vae_20", "negative_elbo"), ("labels_100", "validation_error")):
        config, folder = config_of(toys[name], 40, seed=0), tmp_path / name
        config.run.classifier = False
        found = time_to_quality.ours(toys[name], config, folder)
        assert found.steps == list(range(2, 41, 2)) and found.n == 150
        assert found.seconds == sorted(found.seconds) and found.seconds[0] > 0
        assert 0 < found.compile_seconds < found.seconds[-1]
        assert len(set(found.values)) > 2
        path = evaluate_run(config, folder, "20", "validation")
        values = {one["metric"]: one["value"] for one in json.loads(path.read_text())["records"]}
        assert found.values[9] == pytest.approx(values[recorded], rel=1e-5)
    # The same model again: how well its categories are clusters.
    again = time_to_quality.ours(toys["clusters_10"], config, folder)
    assert again.values[9] == pytest.approx(values["cluster_accuracy"])


@pytest.mark.slow
def test_a_whole_benchmark_at_toy_size(toys, tmp_path, monkeypatch):
    """The trainings in this process."""
    monkeypatch.setattr(time_to_quality.timing, "check_idle", lambda busy_allowed: None)
    monkeypatch.setattr(
        time_to_quality.timing,
        "child",
        lambda module, *words, **_: time_to_quality.measure(list(words), 1.0) | {"busy": 0.0},
    )
    words = ["--works=clusters_10,labels_100", "--steps=4", "--rounds=2"]
    words += [f"--results={tmp_path}", f"--figures={tmp_path}"]
    assert time_to_quality.main(words) == 0
    records = json.loads((tmp_path / "time_to_quality.json").read_text())["records"]
    found = {(one["metric"], one["variant"]): one for one in records}
    assert found["reached", "labels_100/ours"]["values"] == [0.0]
    assert len(found["quality", "labels_100/ours/4"]["values"]) == 2
    command = found["reached", "labels_100/ours"]["command"]
    assert command.endswith("time_to_quality --rounds=2 --works=clusters_10,labels_100 --steps=4")
    assert (tmp_path / "time_to_quality.png").stat().st_size > 1000


def test_the_figure_has_a_line_and_a_shade_for_each_work_on_record(monkeypatch, tmp_path):
    """Of records, in another order than the steps, of two commands."""
    records = [
        {"metric": metric, "variant": f"{name}/{step}", "values": values}
        for metric, name, step, values in (
            ("quality", "vae_20/ours", 1000, [70.0, 75.0]),
            ("quality", "vae_20/ours", 200, [80.0, 85.0]),
            ("minutes", "vae_20/ours", 1000, [5.0, 6.0]),
            ("quality", "clusters_10/ours", 50, [0.5]),
            ("minutes", "clusters_10/ours", 50, [3.0]),
            ("minutes", "vae_20/ours", 200, [1.0, 2.0]),
            ("reached", "vae_20", "ours", [1.0]),
        )
    ]
    drawn = []

    @contextmanager
    def panels(path, rows, columns, titles):
        _, axes = pyplot.subplots(rows, columns, squeeze=False)
        yield axes
        for title, ax in zip(titles, axes[0], strict=True):
            line, target = [np.transpose(line.get_data()).tolist() for line in ax.get_lines()]
            corners = np.unique(ax.collections[0].get_paths()[0].vertices[:, 1]).tolist()
            drawn.append((title, line, corners, target[0][1]))
        pyplot.close()

    monkeypatch.setattr(figures, "panels", panels)
    time_to_quality.draw(tmp_path / "a.png", records)
    assert drawn == [
        ("10 clusters: accuracy", [[3.0, 0.5]], [0.5], 0.98),
        ("VAE of 20D: -ELBO in nats", [[1.5, 82.5], [5.5, 72.5]], [70, 75, 80, 85], 90.0),
    ]


def test_quality_is_what_the_feature_classifier_says():
    """A classifier that sees whether the mean of an image is above a half."""

    class Halves:
        extractor, classes = "halves", 2

        @staticmethod
        def apply(x):
            mean = x.mean(axis=(1, 2, 3))
            return jnp.stack([0.5 - mean, mean - 0.5], axis=1), mean[:, None]

    config = tiny.get_config("vae")
    game = build(config, (4, 4, 1), "unit")
    params = init(game, jax.random.key(0)).params
    params = jax.tree.map(lambda leaf: leaf * 0, params)  # every x_hat is 0.5, "below"
    x = np.full((5, 4, 4, 1), [[[[40]]], [[[50]]], [[[200]]], [[[210]]], [[[60]]]], np.uint8)
    model = Trained(game, params, x, np.zeros(5, np.int32), "validation", 0, 1.0, Halves())
    assert time_to_quality.quality(HIGHER, model) == pytest.approx(0.6)
    with pytest.raises(InputError, match="no cluster_accuracy on these images"):
        time_to_quality.quality(WORKS["clusters_10"], model)
    lost = model._replace(params=jax.tree.map(lambda leaf: leaf + jnp.nan, params))
    with pytest.raises(InputError, match="label_agreement is not finite"):
        time_to_quality.quality(HIGHER, lost)


def vae_of(size=28):
    """The VAE of the benchmark with fewer hidden units: its game and its config."""
    config = WORKS["vae_20"].config()
    for player in (config.encoder, config.generator):
        player.network.hidden = 24
    return build(config, (size, size, 1), "unit"), config


def test_pythae_computes_the_same_bound():
    pytest.importorskip("pythae", reason="an extra: pip install '.[bench]'")
    from experiments import agreement, dense_vae, works

    game, config = vae_of()
    state = jax.jit(partial(init, game))(jax.random.key(3))
    model = dense_vae.model_of(config, (1, 28, 28))
    assert sum(one.numel() for one in model.parameters()) == works.count(state.params)
    dense_vae.copy(jax.device_get(state.params), model)
    rng = np.random.default_rng(2)
    x = (rng.random((6, 28, 28, 1)) < 0.3).astype(np.float32)
    keys = example_keys(jax.random.key(1), 0, 6)
    ours, *_ = losses(game, state.params, Noise(keys), {"x": jnp.asarray(x)}, state.step)[0]
    noise = np.array(Noise(keys)("encoder", normal(config.code.size)))
    with agreement.with_noise(noise):
        theirs = dense_vae.bound(model, dense_vae.channels_first(x))
    assert theirs == pytest.approx(float(ours), rel=1e-4)


@pytest.mark.slow
def test_pythaes_side_trains_on_the_same_images(data_directory):
    pytest.importorskip("pythae", reason="an extra: pip install '.[bench]'")
    from experiments import dense_vae

    _, config = vae_of()
    config.data.name = (
        f"iae_jax.presets.aae_priors:binarized(name='digits', directory={data_directory!r})"
    )
    config.data.train, config.data.validation = "train[:1350]", "train[1350:]"
    config.steps = 42  # three epochs
    grey = dense_vae.grey_images(config)
    assert grey.shape == (1350, 1, 8, 8) and 0.1 < float(grey.mean()) < 0.9
    drawn = dense_vae.Binarized(grey, grey[:, 0, 0, 0])
    several = np.mean([np.asarray(drawn[5]["data"]) for _ in range(400)], axis=0)
    np.testing.assert_allclose(several, np.asarray(grey[5]), atol=0.12)
    steps, seconds, values, n = dense_vae.train(config, checkpoints=3)
    assert steps == [14, 28, 42] and n == 150
    assert 0 < seconds[0] < seconds[1] < seconds[2] and values[2] < values[0]
