"""The presets of the slides' table, and what of a game that reads labels is refused."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from test_train import config_of

from experiments import semisupervised, semisupervised_ablation
from iae_jax.data.labels import subset
from iae_jax.errors import InputError
from iae_jax.launch import evaluate_run
from iae_jax.runs.build import build, charge_weight
from iae_jax.runs.config import Code, Config, changes, to_dict
from iae_jax.runs.train import set_up, train
from iae_jax.sampling.augmentation import Affine

SHAPE = (28, 28, 1)


@pytest.mark.parametrize("variant", semisupervised.VARIANTS)
def test_every_preset_is_a_game(variant):
    config = semisupervised.get_config(variant)
    method, name, labels = variant.split("/")
    game = build(config, (32, 32, 3) if name.startswith("svhn") else SHAPE)
    assert "labels" in game.objective.needs
    assert (game.networks.generator is None) == (method in ("supervised", "full"))
    assert config.data.labels_per_class == (-1 if labels == "all" else int(labels) // 10)
    assert config.encoder.network == semisupervised.get_config().encoder.network


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
        ("full/mnist/100", "full, and no other, reads all labels"),
        ("supervised/mnist/all", "full, and no other, reads all labels"),
        ("aae/mnist/25", "multiple of 10"),
        ("aae/mnist/-10", "multiple of 10"),
        ("aae/mnist/0", "multiple of 10"),
        ("aae/mnist/١٠", "multiple of 10"),
        ("aae/mnist/26x100", "CLASSESxLABELS"),
        ("aae/mnist/0x100", "CLASSESxLABELS"),
        ("full/mnist/10x100", "full, and no other, reads all labels"),
        ("aae//100", "a variant names a set"),
    ],
)
def test_a_variant_that_is_none_is_refused(variant, message):
    with pytest.raises(InputError, match=message):
        semisupervised.get_config(variant)


def test_each_ablation_changes_what_it_says():
    for variant, fields in semisupervised_ablation.CHANGES.items():
        preset = to_dict(semisupervised.get_config(f"{variant.split('/')[0]}/mnist/100"))
        changed = dict(changes(preset, to_dict(semisupervised_ablation.get_config(variant))))
        assert changed.pop("steps") == 2000
        if not variant.startswith("supervised"):
            assert changed.pop("code.marginal_start_steps") == 375
            assert changed.pop("code.flipped_start_steps") == 375
        assert changed == fields
    with pytest.raises(InputError, match="one of iae_best/as_it_is, iae_best/without"):
        semisupervised_ablation.get_config("iae_best/without_everything")


def test_a_claim_is_of_the_same_labels():
    """By hand: seed 4 of the floor is worse, seed 2 is better, and 9 has no floor."""

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
        {
            "metric": "frechet_sample",
            "variant": "supervised/mnist/100",
            "seeds": [4],
            "values": [0.0],
        },
    ]
    (aae, fails), (best, holds) = semisupervised.claims(records)
    assert aae.startswith("aae/mnist/100") and "3.50 and 3.25 %, 2.50 and 4.00 %" in aae
    assert best.startswith("iae_best/mnist/100") and "1.50 and 3.25 %, 1.25 and 4.00 %" in best
    assert holds and not fails


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"teacher": True}, "set code.consistency_weight"),
        ({"teacher": True, "consistency_weight": 1.0}, "set average above 0"),
        ({"consistency_weight": 1.0}, "consistency is of an image and a change of it"),
        ({"change_labelled": True, "label_weight": 1.0}, "within the bounds of affine, which are"),
        ({"change_labelled": True}, "set code.label_weight"),
        ({"flipped_start_steps": -1}, "flipped_start_steps is at least 0"),
        ({"label_start_weight": 1.0}, "set code.label_start_steps"),
        ({"marginal_start_weight": 1.0}, "set code.marginal_start_steps"),
    ],
)
def test_what_would_do_nothing_is_refused(fields, message):
    config = semisupervised.get_config("supervised/mnist/100")
    config.code = Code(0, 10, **fields)
    config.reconstruction.kind = "joint_reconstruction"
    config.affine, config.average = Affine(0, 0, 0, 0), 0.0
    with pytest.raises(InputError, match=message):
        build(config, SHAPE)


def test_a_change_is_any_of_its_bounds():
    config = semisupervised.get_config("supervised/mnist/100")
    config.code.change_labelled = False
    config.code.consistency_weight, config.code.teacher = 1.0, False
    for bound in ("rotation", "contrast", "cutout", "noise", "worst"):
        config.affine = dataclasses.replace(Affine(0, 0, 0, 0), **{bound: 0.1})
        build(config, SHAPE)
    config.code.change_labelled = True  # by what is not the worst
    with pytest.raises(InputError, match="labelled images are changed"):
        build(config, SHAPE)


@pytest.mark.parametrize("field", ["pixel_noise", "dropout"])
def test_perturbations_that_teach_nothing_are_refused(field):
    config = Config()
    setattr(config.encoder, field, 0.5)
    with pytest.raises(InputError, match="nothing of these is charged"):
        build(config, SHAPE)


@pytest.mark.parametrize(
    ("method", "field", "message"),
    [
        ("supervised", "flipped_weight", "nothing trains a generator on x"),
        ("supervised", "labelled_share", "none has none"),
        ("improved_gan", "labelled_share", "improved_gan has none"),
        ("aae", "labelled_share", "likelihood has none"),
    ],
)
def test_what_nobody_would_learn_from_is_refused(method, field, message):
    config = semisupervised.get_config(f"{method}/mnist/100")
    setattr(config.code, field, 0.5)
    with pytest.raises(InputError, match=message):
        build(config, SHAPE)


@pytest.mark.parametrize(
    ("name", "first", "fields"),
    [
        ("flipped", 0.0, {"flipped_start_steps": 7}),
        ("label", 2.0, {"label_start_weight": 2.0, "label_start_steps": 7}),
        ("marginal", 3.0, {"marginal_start_weight": 3.0, "marginal_start_steps": 7}),
    ],
)
def test_the_first_steps_have_a_weight_of_their_own(name, first, fields):
    later = {f"{name}_weight": 0.4}
    assert charge_weight(Code(**later), name) == 0.4
    weight = charge_weight(Code(**later, **fields), name)
    said = [weight(np.int32(step)) for step in (0, 6, 7, 90)]
    np.testing.assert_allclose(said, [first, first, 0.4, 0.4])


def test_a_charge_of_the_first_steps_alone_is_charged():
    config = semisupervised.get_config("supervised/mnist/100")
    config.code.label_weight, config.code.label_start_steps = 0.0, 0
    config.code.change_labelled = False
    config.code.entropy_weight = 1.0
    names = [term.name for term in build(config, SHAPE).objective.charges]
    assert names == ["conditional_entropy"]
    config.code.label_start_weight, config.code.label_start_steps = 1.0, 5
    names = [term.name for term in build(config, SHAPE).objective.charges]
    assert names == ["conditional_entropy", "label_cross_entropy"]


@pytest.mark.parametrize("method", ["supervised", "aae"])
def test_a_record_is_named_by_its_split_and_says_which_labels_were_read(
    tmp_path, data_directory, method
):
    """Oracle: labels that the image itself holds, so that a classifier errs on hardly any; and how
    many are of the other split's classes."""
    rng = np.random.default_rng(5)
    labels = rng.permutation(np.repeat(np.arange(3), 40))
    images = rng.integers(0, 60, (120, 8, 8, 1), dtype=np.uint8)
    images[np.arange(120), 2 * labels, 1:7] += 180
    told = (labels + (np.arange(120) % 4 == 0)) % 3  # a quarter of those of `test` is wrong
    path = tmp_path / "a.npz"
    np.savez(path, images=images, labels=labels, test_images=images, test_labels=told)
    config = semisupervised.get_config(f"{method}/npz:{path}/10")
    config.code.categories, config.data.labels_per_class = 3, -1 if method == "supervised" else 9
    config.data.train, config.data.validation = "train[:60]", "train[60:]"
    config.batch_size, config.steps = 12, 250
    config.seed, config.data.draw = 3, 5
    config.code.change_labelled = False  # what the labels are of moves
    config.run = config_of(data_directory).run
    config.run.judge = False
    for player in (config.encoder, config.generator, config.regularization):
        player.network.width, player.network.hidden = 8, 16
        player.optimizer.rate = 2e-3
    train(config, tmp_path / "run")
    read = json.loads((tmp_path / "run" / "run.json").read_text())["labelled"]
    own = {draw: subset(labels[:60], 9, draw).tolist() for draw in (3, 5)}
    assert read == ("all" if method == "supervised" else own[5]) and own[3] != own[5]
    if method == "aae":
        config.data.draw = -1  # as the seed says
        np.testing.assert_array_equal(set_up(config).known[0], own[3])
        config.data.draw = 5
    found = {}
    for split in ("validation", "test"):
        evaluate_run(config, tmp_path / "run", "latest", split)
        evaluation = json.loads((tmp_path / "run" / f"evaluation_{split}.json").read_text())
        values = {one["metric"]: one["value"] for one in evaluation["records"]}
        (name,) = (
            name
            for name in values
            if name.endswith("_error") and name != "pixel_error" and name != "random_pair_error"
        )
        found[name] = values[name]
    assert set(found) == {"validation_error", "test_error"}
    assert found["validation_error"] < 10 < 18 < found["test_error"] < 32


def test_the_figure_has_a_class_in_each_column_and_a_style_in_each_row(tmp_path):
    """Of eight rows the first six: red tells the row, green the column, blue that it is one."""
    down, across = np.mgrid[0:8, 0:10]
    x = np.stack([down / 10, across / 10, np.ones((8, 10))], -1).astype(np.float32)
    np.savez(tmp_path / "traversals.npz", x=np.tile(x[:, :, None, None], (1, 1, 4, 4, 1)))
    semisupervised.draw(tmp_path / "figure.png", {semisupervised.SHOWN_VARIANT: tmp_path})
    pixels = np.asarray(Image.open(tmp_path / "figure.png").convert("RGB")) / 255

    def middle(row, column):
        same = np.abs(pixels - [row / 10, column / 10, 1]).max(-1) < 0.01
        return np.argwhere(same).mean(0) if same.any() else None

    places = np.array([[middle(row, column) for column in range(10)] for row in range(6)])
    assert (np.diff(places[:, :, 0], axis=0) > 4).all()
    assert (np.diff(places[:, :, 1], axis=1) > 4).all()
    assert np.ptp(places[:, :, 0], axis=1).max() < 1 and np.ptp(places[:, :, 1], axis=0).max() < 1
    assert middle(6, 0) is None and middle(7, 9) is None
