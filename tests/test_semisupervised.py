"""The variants of the slides' table, and refusals of games that read labels."""

import dataclasses
import json
from operator import attrgetter

import numpy as np
import pytest
from PIL import Image
from test_train import config_of

from experiments import semisupervised, semisupervised_ablation
from iae_jax.data.labels import subset
from iae_jax.errors import InputError
from iae_jax.objectives.weights import Weight
from iae_jax.presets.semisupervised_ablation import CHANGES
from iae_jax.runs.build import build
from iae_jax.runs.config import Auxiliary, Config, to_dict
from iae_jax.runs.config_changes import changes
from iae_jax.runs.evaluation import evaluate_run
from iae_jax.runs.setup import set_up
from iae_jax.runs.train import train
from iae_jax.sampling.augmentation import Affine

SHAPE = (28, 28, 1)


def change(config, fields):
    """Sets dotted fields of a config."""
    for field, value in fields.items():
        section, _, name = field.rpartition(".")
        setattr(attrgetter(section)(config), name, value)


@pytest.mark.heavy
@pytest.mark.parametrize("variant", semisupervised.preset.VARIANTS)
def test_every_variant_is_a_game(variant):
    config = semisupervised.get_config(variant)
    method, name, labels = variant.split("/")
    game = build(config, (32, 32, 3) if name.startswith("svhn") else SHAPE)
    assert {"labelled", "labels"} <= game.sources
    assert (game.networks.generator is None) == (method in ("supervised", "full"))
    assert config.data.labels_per_class == (-1 if labels == "all" else int(labels) // 10)
    same = config.encoder.network == semisupervised.get_config().encoder.network
    assert same == (method != "improved_gan")


def test_a_set_may_have_a_folder_in_its_name():
    config = semisupervised.get_config("supervised/emnist/digits/50")
    assert config.data.name == "emnist/digits" and config.data.labels_per_class == 5


def test_a_set_may_have_another_number_of_classes():
    found = [
        semisupervised.get_config(f"{name}/emnist/balanced/47x{labels}")
        for name, labels in (("iae_best", 141), ("full", "all"))
    ]
    assert [one.code.categories for one in found] == [47, 47]
    assert [one.data.labels_per_class for one in found] == [3, -1]


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("best/mnist/100", "METHOD/SET/LABELS with a method of supervised"),
        ("iae_best/100", "METHOD/SET/LABELS"),
        ("full/mnist/100", "all labels are for the method full, which has no other number"),
        ("supervised/mnist/all", "all labels are for the method full"),
        ("aae/mnist/25", "multiple of 10"),
        ("aae/mnist/-10", "multiple of 10"),
        ("aae/mnist/0", "multiple of 10"),
        ("aae/mnist/١٠", "multiple of 10"),
        ("aae/mnist/26x100", "CLASSESxLABELS"),
        ("aae/mnist/0x100", "CLASSESxLABELS"),
        ("full/mnist/10x100", "all labels are for the method full"),
        ("aae//100", "a variant names a set"),
    ],
)
def test_an_unknown_variant_is_refused(variant, message):
    with pytest.raises(InputError, match=message):
        semisupervised.get_config(variant)


def test_each_ablation_changes_what_it_says():
    for variant, fields in CHANGES.items():
        own = to_dict(semisupervised.get_config(f"{variant.split('/')[0]}/mnist/100"))
        changed = dict(changes(own, to_dict(semisupervised_ablation.get_config(variant))))
        assert changed.pop("steps") == (15_000 if variant.startswith("improved_gan") else 2000)
        if variant.startswith("iae"):
            assert changed.pop("auxiliary.marginal.weight.start_steps") == 375
            assert changed.pop("auxiliary.sleep.weight.start_steps") == 375
        assert changed == fields
    with pytest.raises(InputError, match="one of iae_best/as_it_is, iae_best/without"):
        semisupervised_ablation.get_config("iae_best/without_everything")


def test_a_claim_is_of_the_same_labels():
    """By hand: seed 4 of the floor is worse, seed 2 is better, and 9 has no floor. Of two seeds the
    quantile is 12.706: differences of 1.75 and 2.75 decide nothing, and 1.75 and 1.8 do."""

    def record(variant, **errors):
        seeds = [int(seed[1:]) for seed in errors]
        return {
            "metric": "test_error",
            "variant": variant,
            "seeds": seeds,
            "values": list(errors.values()),
        }

    records = [
        record("aae/mnist/100", s9=1.0, s4=2.5, s2=3.5),
        record("iae_best/mnist/100", s4=1.25, s2=1.5),
        record("iae_best/mnist/20", s4=9.0),
        record("supervised/mnist/100", s2=3.25, s4=4.0),
        record("full/mnist/100", s2=1.5, s4=2.2),
        {
            "metric": "frechet_sample",
            "variant": "supervised/mnist/100",
            "seeds": [4],
            "values": [0.0],
        },
    ]
    (aae, first), (best, second), (full, third) = semisupervised.claims(records)
    assert aae.startswith("aae/mnist/100") and "difference 0.625, 95 % interval" in aae
    assert best.startswith("iae_best/mnist/100") and "difference 2.25, 95 % interval" in best
    assert full.startswith("full/mnist/100") and "95 % interval 1.46 to 2.09" in full
    assert (first, second, third) == (None, None, True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"consistency.teacher": True}, "set auxiliary.consistency.weight.value above 0"),
        (
            {"consistency.teacher": True, "consistency.weight.value": 1.0},
            "the averaged encoder: set ema above 0",
        ),
        ({"consistency.weight.value": 1.0}, "consistency is of an image and a change of it"),
        (
            {"labels.augment": True, "labels.weight.value": 1.0},
            "within the bounds of affine, which are 0",
        ),
        ({"labels.augment": True}, "set auxiliary.labels.weight.value"),
        ({"sleep.weight.start_steps": -1}, "sleep.weight.start_steps is at least 0"),
        ({"labels.weight.start": 1.0}, "set auxiliary.labels.weight.start_steps"),
        ({"marginal.weight.start": 1.0}, "set auxiliary.marginal.weight.start_steps"),
    ],
)
def test_a_setting_without_effect_is_refused(fields, message):
    config = semisupervised.get_config("supervised/mnist/100")
    config.auxiliary = Auxiliary()
    change(config.auxiliary, fields)
    config.reconstruction.kind = "joint_reconstruction"
    config.affine, config.ema = Affine(0, 0, 0, 0), 0.0
    with pytest.raises(InputError, match=message):
        build(config, SHAPE)


def test_each_bound_of_affine_is_a_change():
    config = semisupervised.get_config("supervised/mnist/100")
    losses = config.auxiliary
    losses.labels.augment, losses.consistency.weight.value = False, 1.0
    for bound in ("rotation", "contrast", "cutout", "noise", "vat_radius"):
        config.affine = dataclasses.replace(Affine(0, 0, 0, 0), **{bound: 0.1})
        build(config, SHAPE)
    losses.labels.augment = True  # which virtual adversarial training does not change
    with pytest.raises(InputError, match="labelled images are changed"):
        build(config, SHAPE)


@pytest.mark.parametrize("field", ["pixel_noise", "dropout"])
def test_perturbations_that_teach_nothing_are_refused(field):
    config = Config()
    setattr(config.encoder, field, 0.5)
    with pytest.raises(InputError, match="none of these is there: set encoder.pixel_noise"):
        build(config, SHAPE)


@pytest.mark.parametrize(
    ("method", "field", "message"),
    [
        ("supervised", "auxiliary.sleep.weight.value", "nothing trains a generator on x"),
        ("supervised", "reconstruction.labelled_share", "none has none"),
        ("improved_gan", "reconstruction.labelled_share", "improved_gan has none"),
        ("aae", "reconstruction.labelled_share", "likelihood has none"),
    ],
)
def test_a_loss_from_which_nobody_learns_is_refused(method, field, message):
    config = semisupervised.get_config(f"{method}/mnist/100")
    change(config, {field: 0.5})
    with pytest.raises(InputError, match=message):
        build(config, SHAPE)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (Weight(0.4, 0.0, 7), [0.0, 0.0, 0.4, 0.4, 0.4]),
        (Weight(0.4, 2.0, 7), [2.0, 2.0, 0.4, 0.4, 0.4]),
        (Weight(0.4, 2.0, 7, ramp_steps=4), [2.0, 2.0, 2.0, 1.2, 0.4]),
        (Weight(0.4, 2.0, 0, ramp_steps=18), [2.0, 1.46666667, 1.37777778, 1.2, 0.4]),
    ],
)
def test_the_first_steps_have_a_weight_of_their_own(weight, expected):
    values = [weight.scheduled(np.float32(step)) for step in (0, 6, 7, 9, 90)]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert Weight(0.4).scheduled == 0.4 and not weight.absent


def test_a_loss_of_the_first_steps_alone_is_there():
    config = semisupervised.get_config("supervised/mnist/100")
    labels = config.auxiliary.labels
    labels.weight, labels.augment = Weight(), False
    config.auxiliary.entropy.weight.value = 1.0

    def names():
        return [loss.name for loss in build(config, SHAPE).objective.auxiliary]

    config.data.labels_per_class = 0
    assert names() == ["conditional_entropy"]
    labels.weight.start, labels.weight.start_steps, config.data.labels_per_class = 1.0, 5, 10
    assert names() == ["conditional_entropy", "label_cross_entropy"]


@pytest.mark.heavy
@pytest.mark.parametrize("method", ["supervised", "aae"])
def test_a_record_is_named_by_its_split_and_says_which_labels_were_read(
    tmp_path, data_directory, method
):
    """Oracle: labels that the image itself shows, so that a classifier makes hardly an error; and
    the share of wrong labels in the other split."""
    rng = np.random.default_rng(5)
    labels = rng.permutation(np.repeat(np.arange(3), 40))
    images = rng.integers(0, 60, (120, 8, 8, 1), dtype=np.uint8)
    images[np.arange(120), 2 * labels, 1:7] += 180
    wrong = (labels + (np.arange(120) % 4 == 0)) % 3  # a quarter of those of `test`
    path = tmp_path / "a.npz"
    np.savez(path, images=images, labels=labels, test_images=images, test_labels=wrong)
    config = semisupervised.get_config(f"{method}/npz:{path}/10")
    config.code.categories, config.data.labels_per_class = 3, -1 if method == "supervised" else 9
    config.data.train, config.data.validation = "train[:60]", "train[60:]"
    config.batch_size, config.steps = 12, 250
    config.seed, config.data.draw = 3, 5
    config.auxiliary.labels.augment = False  # the label is where the image is bright
    config.run = config_of(data_directory).run
    config.run.classifier = False
    for player in (config.encoder, config.generator, config.regularization):
        player.network.width, player.network.hidden = 8, 16
        player.optimizer.rate = 2e-3
    train(config, tmp_path / "run")
    read = json.loads((tmp_path / "run" / "run.json").read_text())["labelled"]
    own = {draw: subset(labels[:60], 9, draw).tolist() for draw in (3, 5)}
    assert read == ("all" if method == "supervised" else own[5]) and own[3] != own[5]
    if method == "aae":
        config.data.draw = -1  # as the seed says
        np.testing.assert_array_equal(set_up(config).feed.labelled.positions, own[3])
        config.data.draw = 5
    found = {}
    for split in ("validation", "test"):
        evaluate_run(config, tmp_path / "run", "latest", split)
        evaluation = json.loads((tmp_path / "run" / f"evaluation_{split}.json").read_text())
        values = {one["metric"]: one["value"] for one in evaluation["records"]}
        (name,) = {"train_error", "validation_error", "test_error"} & values.keys()
        found[name] = values[name]
    assert set(found) == {"validation_error", "test_error"}
    assert found["validation_error"] < 10 < 18 < found["test_error"] < 32


def test_the_figure_has_a_class_in_each_column_and_a_style_in_each_row(tmp_path):
    """The first six of eight rows: red is the row, green the column, blue marks an image."""
    down, across = np.mgrid[0:8, 0:10]
    x = np.stack([down / 10, across / 10, np.ones((8, 10))], -1).astype(np.float32)
    np.savez(tmp_path / "traversals.npz", x=np.tile(x[:, :, None, None], (1, 1, 4, 4, 1)))
    semisupervised.draw(tmp_path / "figure.png", {semisupervised.preset.SHOWN_VARIANT: tmp_path})
    pixels = np.asarray(Image.open(tmp_path / "figure.png").convert("RGB")) / 255

    def middle(row, column):
        same = np.abs(pixels - [row / 10, column / 10, 1]).max(-1) < 0.01
        return np.argwhere(same).mean(0) if same.any() else None

    places = np.array([[middle(row, column) for column in range(10)] for row in range(6)])
    assert (np.diff(places[:, :, 0], axis=0) > 4).all()
    assert (np.diff(places[:, :, 1], axis=1) > 4).all()
    assert np.ptp(places[:, :, 0], axis=1).max() < 1 and np.ptp(places[:, :, 1], axis=0).max() < 1
    assert middle(6, 0) is None and middle(7, 9) is None
