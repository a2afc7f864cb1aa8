"""What a training says of its health. Oracles: the recorded runs, of which it is known what each is
ill of, the record of first steps, and the results of all experiments."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
from sklearn.datasets import load_digits
from test_launch import launch

from iae_jax.files.json_lines import read_lines
from iae_jax.objectives.scoring import SCORINGS
from iae_jax.presets import digits
from iae_jax.runs import health
from iae_jax.runs.build import build
from iae_jax.runs.health import Health

ROOT = Path(__file__).parent.parent
RUNS = json.loads((ROOT / "docs" / "bad_runs.json").read_text())
UNJUDGED = ("semisupervised", "mnist_clustering")  # labels; categories alone
TROUBLE = (ROOT / "docs" / "troubleshooting.md").read_text()


def health_of(config, images=None):
    images = load_digits().images[:1500, ..., None] / 16 if images is None else images
    return Health(config, build(config, images.shape[1:]), images)


@pytest.fixture(scope="module")
def of_digits():
    config = digits.get_config()
    config.steps = 1500
    return health_of(config)


def lines_of(run):
    """(step, what was logged) of each line of a recorded run."""
    curves = run["curves"]
    for i, step in enumerate(curves["step"]):
        yield step, {name: own[i] for name, own in curves.items() if name != "step"}


@pytest.mark.parametrize("name", RUNS)
def test_each_recorded_run_is_named_at_its_end(name, of_digits):
    step, values = list(lines_of(RUNS[name]))[-1]
    sign = of_digits.sign(step, values)
    assert of_digits.words(step, sign) == ("healthy" if name == "good" else name)


def test_the_good_run_is_well_on_every_line_and_no_run_is_ill_in_its_first_steps(of_digits):
    for name, run in RUNS.items():
        for step, values in lines_of(run):
            if name == "good" or step < 500:
                sign = of_digits.sign(step, values)
                assert sign is None, (name, step)
                early = "healthy" if step >= 750 else "healthy so far"
                assert of_digits.words(step, sign) == early


def test_the_error_of_pairs_is_that_of_all_pairs():
    x = np.random.default_rng(0).integers(0, 256, (40, 4, 3, 1), dtype=np.uint8)
    own = x.astype(float)
    every = np.mean([np.abs(a - b).mean() for i, a in enumerate(own) for b in own[:i]]) / 255
    assert health.error_of_pairs(x) == pytest.approx(every, rel=0.1)
    assert health.error_of_pairs(x / np.float32(255)) == pytest.approx(health.error_of_pairs(x))
    assert health.error_of_pairs(x[:1]) == 0


def test_the_loss_at_chance_is_that_of_the_page():
    """And of the best constant logit on a fine grid."""
    found = {name: health.loss_at_chance(one) for name, one in SCORINGS.items()}
    for name, value in found.items():
        grid = np.linspace(-3, 3, 601, dtype=np.float32)
        own = SCORINGS[name].losses(grid, grid).discriminator
        assert value == pytest.approx(float(np.min(sum(own) if isinstance(own, tuple) else own)))
    said = TROUBLE.partition("A discriminator's loss at chance is ")[2].partition("\n\n")[0]
    for name, text in (("kl", "1.386"), ("least_squares", "0.25"), ("hinge", "2 for")):
        assert text in said and found[name] == pytest.approx(float(text.split()[0]), abs=1e-3)
    assert found["relativistic"] == pytest.approx(0.69, abs=5e-3) and "0.69" in said


def test_no_game_of_the_record_of_first_steps_is_ill(of_digits):
    """Even if these steps were late ones: means of 30 steps, as of a line."""
    with np.load(ROOT / "tests" / "first_steps.npz") as record:
        games = {name.partition("|")[0] for name in record.files}
        assert len(games) > 100
        for game in sorted(games):
            own = [name for name in record.files if name.startswith(f"{game}|")]
            values = {name.partition("|")[2]: float(record[name].mean()) for name in own}
            scoring = SCORINGS.get(game.partition(":")[2], SCORINGS["kl"])
            of_digits.chance = dict.fromkeys(of_digits.chance, health.loss_at_chance(scoring))
            sign = of_digits.sign(1500, values)
            of_digits.chance = dict.fromkeys(of_digits.chance, 2 * np.log(2))
            assert sign is None, (game, sign.words)


def test_no_recorded_model_that_rebuilds_images_is_as_far_as_a_bad_run():
    """At the end of its training, of those that learn without labels, from codes that are not the
    smallest."""
    found = []
    for path in sorted((ROOT / "results").glob("*.json")):
        for one in json.loads(path.read_text())["records"]:
            unjudged = path.stem.startswith(UNJUDGED) or one["variant"] == "global_2_local_100"
            if one["metric"] == "pixel_error_ratio" and not unjudged:
                found.append(one["mean"])
    assert len(found) > 10 and max(found) < 0.9 * health.NEAR


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reconstruction_discriminator": 0.1}, "a discriminator has won"),
        ({"reconstruction_discriminator": 0.2}, "healthy so far"),
        ({"regularization_discriminator": 0.1}, "a discriminator has won"),
        ({"reconstruction": float("nan")}, "not finite"),
        ({"validation_pixel_error": 9.0}, "healthy so far"),
    ],
)
def test_what_is_a_sign_from_the_first_step_on(values, words, of_digits):
    assert of_digits.words(100, of_digits.sign(100, values)) == words


def test_a_model_without_a_discriminator_of_pairs_collapses():
    config = tiny.get_config("vae")
    config.steps = 1000
    own = health_of(config)
    words = [
        own.words(1000, own.sign(1000, {"validation_pixel_error": share * own.of_pairs}))
        for share in (0.75, 0.85)
    ]
    assert words == ["healthy", "collapsed codes"]


def test_what_does_not_rebuild_or_learns_classes_is_not_judged_by_its_error():
    gan, labelled = tiny.get_config("gan"), tiny.get_config()
    labelled.code.categories, labelled.data.labels_per_class = 10, 2
    labelled.auxiliary.labels.weight.value = 1.0
    planar = tiny.get_config("vae")
    planar.code.size = 2
    for config in (gan, labelled, planar):
        assert health_of(config).of_pairs == 0


def test_every_sign_has_a_section_of_the_page():
    titles = {line.lstrip("# ") for line in TROUBLE.splitlines() if line.startswith("#")}
    assert {one.section for one in health.SIGNS} <= titles
    assert "<!-- generated: health_signs -->" in TROUBLE


@pytest.mark.heavy
def test_each_line_of_a_training_has_its_word_and_a_sign_is_explained_once(
    tmp_path, data_directory, monkeypatch
):
    """Here every discriminator has won as soon as it plays."""
    words = [
        f"--config={ROOT / 'tests' / 'tiny.py'}", f"--config.data.directory={data_directory}",
    ]  # fmt: skip
    code, _, lines = launch(*words, f"--workdir={tmp_path / 'a'}")
    steps = [line for line in lines if line.startswith("step ")]
    assert code == 0 and len(steps) == 4
    assert all("  healthy so far  " in line for line in steps)
    monkeypatch.setattr(health, "WON", 1e6)
    code, _, lines = launch(*words, f"--workdir={tmp_path / 'b'}")
    steps = [line for line in lines if line.startswith("step ")]
    assert code == 0 and all("  a discriminator has won  " in line for line in steps)
    (told,) = [line for line in lines if "What to do: docs/troubleshooting.md" in line]
    assert told.startswith("a discriminator has won: ")
    a, b = (read_lines(tmp_path / name / "metrics.jsonl") for name in "ab")
    assert [set(line) for line in a] == [set(line) for line in b]
