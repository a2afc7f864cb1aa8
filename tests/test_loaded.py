"""A model that is loaded from its run's folder, against the public functions of a model in memory
and against its own parts."""

import json
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import tiny

import iae_jax
from iae_jax.errors import InputError
from iae_jax.runs.config import Config, from_dict, to_dict
from iae_jax.runs.data_sets import open_split
from iae_jax.runs.train import train
from iae_jax.runs.trained import trained
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import Code

KINDS = ("iae", "vae", "gan", "category")


@pytest.fixture(scope="module")
def runs(data_directory, tmp_path_factory):
    """kind -> (config, workdir of its finished run)."""
    found = {}
    for kind in KINDS:
        config = tiny.get_config("iae" if kind == "category" else kind)
        config.data.directory, config.steps = data_directory, 20
        if kind == "category":
            config.code.categories, config.generator.noise = 4, 2
        workdir = tmp_path_factory.mktemp(kind) / "run"
        train(config, workdir)
        found[kind] = config, workdir
    return found


@pytest.fixture(scope="module")
def images(runs):
    x = open_split(runs["iae"][0], "test").read(np.arange(130)).x
    assert x.dtype == np.uint8 and x.shape == (130, 8, 8, 1)
    return x


@pytest.fixture(scope="module")
def models(runs):
    return {kind: iae_jax.load(str(workdir)) for kind, (_, workdir) in runs.items()}


@pytest.mark.heavy
def test_it_is_the_model_in_memory(runs, images, models):
    config, workdir = runs["iae"]
    run, key = trained(config, workdir, "latest"), jax.random.key(7)
    arguments = run.game, run.params()
    z = iae_jax.encode(*arguments, images, key)
    found = models["iae"].encode(images, seed=7)
    np.testing.assert_allclose(found.vector, z.vector, rtol=1e-5, atol=1e-5)
    assert found.mean is None and found.category is None
    expected = iae_jax.reconstruct(*arguments, images, key, run.local_scale)
    np.testing.assert_allclose(models["iae"].reconstruct(images, 7), expected, rtol=1e-4, atol=1e-5)
    expected = iae_jax.decode(*arguments, z, key, run.local_scale)
    np.testing.assert_allclose(
        models["iae"].decode(np.asarray(z.vector), seed=7), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
def test_an_examples_numbers_do_not_depend_on_how_many_there_are(models, images, kind):
    model = models[kind]
    np.testing.assert_array_equal(model.sample(130, seed=3)[:7], model.sample(7, seed=3))
    z = model.prior(30, seed=3, first=100)  # a part of a larger set
    np.testing.assert_array_equal(model.sample(130, seed=3)[100:], model.sample(30, None, 3, 100))
    jax.tree.map(np.testing.assert_array_equal, model.prior(130, seed=3)[0][100:], z[0])
    if kind == "gan":
        return
    for call in (model.encode, model.reconstruct, model.score):
        many, few = call(images, seed=3), call(images[:7], seed=3)
        jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[:7], b), many, few)
        rest = call(images[100:], seed=3, first=100)
        jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[100:], b), many, rest)


@pytest.mark.heavy
def test_uint8_and_floats_are_the_same_images(models, images):
    one, other = (models["vae"].encode(x) for x in (images, images.astype(np.float64) / 255))
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-5, atol=1e-6)


@pytest.mark.heavy
def test_a_gaussian_posterior_has_a_mean_and_a_deviation(models, images):
    """Of six copies of one image the means are equal, and samples spread as the deviation says."""
    same = np.repeat(images[:1], 2000, axis=0)
    found = models["vae"].encode(same, seed=1)
    np.testing.assert_array_equal(found.mean[1:], found.mean[:-1])
    np.testing.assert_allclose(found.vector.std(axis=0), found.deviation[0], rtol=0.1)
    np.testing.assert_allclose(found.vector.mean(axis=0), found.mean[0], atol=0.15)


@pytest.mark.heavy
def test_a_category_is_chosen(models):
    model = models["category"]
    np.testing.assert_array_equal(model.prior(9, category=2).category, np.full(9, 2))
    drawn = model.prior(400, seed=1)
    assert set(drawn.category) == {0, 1, 2, 3} and drawn.vector.shape == (400, 3)
    np.testing.assert_array_equal(drawn.vector, model.prior(400, 2, seed=1).vector)
    one_hot = np.eye(4, dtype=np.float32)[drawn.category]
    np.testing.assert_array_equal(
        model.decode(drawn.vector, drawn.category, seed=5),
        model.decode(drawn.vector, one_hot, seed=5),
    )
    np.testing.assert_array_equal(
        model.sample(400, seed=1), model.decode(drawn.vector, drawn.category, seed=1)
    )


@pytest.mark.heavy
def test_the_local_code_is_given_by_value(models):
    model = models["iae"]
    vector = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
    local = np.zeros((5, 4), np.float32)
    found = model.decode(vector, local=local)
    params, game = model.params, model.run.game
    expected = game.networks.generator.sample(params.generator, Code(vector=vector), local)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(found - model.decode(vector, local=local + 1)).max() > 1e-4


@pytest.mark.heavy
def test_interpolations_end_at_the_codes(models, images):
    model = models["iae"]
    found = model.interpolate(images[:4], images[4:8], columns=5, seed=2)
    assert found.shape == (4, 5, 8, 8, 1)
    keys = example_keys(jax.random.key(2), 0, 4)
    local = Noise(keys)("local", lambda key: jax.random.normal(key, (4,)))
    for column, x in ((0, images[:4]), (4, images[4:8])):
        ends = model.decode(model.encode(x, 2).vector, local=np.asarray(local))
        np.testing.assert_allclose(found[:, column], ends, rtol=1e-4, atol=1e-5)


@pytest.mark.heavy
def test_scores_are_those_of_the_parts(models, images):
    model = models["vae"]
    scores, codes = model.score(images, seed=4), model.encode(images, seed=4)
    assert sorted(scores) == ["log_likelihood", "pixel_error", "prior_log_density"]
    norm = -0.5 * (codes.vector**2).sum(axis=1) - 1.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(scores["prior_log_density"], norm, rtol=1e-4, atol=1e-4)
    x, x_hat = images / 255.0, model.reconstruct(images, seed=4)
    error = np.abs(x - x_hat).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(scores["pixel_error"], error, rtol=1e-4)
    found = np.clip(x_hat, 1e-6, 1 - 1e-6)
    likelihood = (x * np.log(found) + (1 - x) * np.log1p(-found)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(scores["log_likelihood"], likelihood, rtol=1e-3)
    scores = models["iae"].score(images, seed=4)
    game, params = models["iae"].run.game, models["iae"].params
    z = models["iae"].encode(images, seed=4).vector
    expected = game.networks.regularization_discriminator.apply(
        params.regularization_discriminator, None, z
    )
    np.testing.assert_allclose(scores["regularization_logit"], expected[:, 0], rtol=1e-4, atol=1e-5)
    expected = game.networks.reconstruction_discriminator.apply(
        params.reconstruction_discriminator, np.float32(images / 255), z
    )
    np.testing.assert_allclose(scores["reconstruction_logit"], expected[:, 0], rtol=1e-4, atol=1e-5)


REFUSED = {
    "shape": (lambda m, x: m.encode(x[:, :, :7]), r"x is \[N, 8, 8, 1\], not \[130, 8, 7, 1\]"),
    "one": (lambda m, x: m.encode(x[0]), r"x is \[N, 8, 8, 1\], not \[8, 8, 1\]"),
    "none": (lambda m, x: m.score(x[:0]), r"not \[0, 8, 8, 1\]"),
    "int64": (lambda m, x: m.reconstruct(x.astype(np.int64)), "x is uint8 or floats, not int64"),
    "range": (lambda m, x: m.encode(x.astype(float)), r"floats are in \[0, 1\], not from 0 to 255"),
    "nan": (lambda m, x: m.encode(x * np.nan), "not finite"),
    "words": (lambda m, x: m.encode([["a"]]), "x is an array of numbers, not of <U1"),
    "ragged": (lambda m, x: m.encode([[1.0], [1.0, 2.0]]), "x is no array of numbers"),
    "number": (lambda m, x: m.interpolate(3, x), r"x is \[N, 8, 8, 1\], not \[\]"),
    "key": (lambda m, x: m.encode(x, seed=jax.random.key(0)), "seed is a whole number, not"),
    "seed": (lambda m, x: m.sample(3, seed=-1), "seed is from 0 to"),
    "float": (lambda m, x: m.sample(2.5), "count is a whole number, not float"),
    "part": (lambda m, x: m.encode(x, first=-1), "first is from 0 to"),
    "empty": (lambda m, x: m.decode(np.zeros((0, 3))), "there are no codes"),
    "scalar": (lambda m, x: m.decode(3.0), "there are no codes"),
    "count": (lambda m, x: m.sample(0), "count is at least 1, not 0"),
    "category": (lambda m, x: m.sample(3, category=1), "a category is of models with categories"),
    "size": (
        lambda m, x: m.decode(np.zeros((2, 4))),
        r"vector is floats \[2, 3\], not float64 \[2, 4\]",
    ),
    "missing": (lambda m, x: m.decode(), "the codes of this model have a vector"),
    "extra": (lambda m, x: m.decode(np.zeros((2, 3)), [1, 1]), "have no category"),
    "local": (
        lambda m, x: m.decode(np.zeros((2, 3)), local=np.zeros((2, 5))),
        r"local is floats \[2, 4\]",
    ),
    "columns": (lambda m, x: m.interpolate(x[:2], x[2:4], 1), "columns is at least 2, not 1"),
    "mask": (lambda m, x: m.encode(x > 9), r"not bool: x.astype\('float32'\)"),
    "mask of int64": (lambda m, x: m.encode((x > 9) * 1), r"not int64: x.astype\('float32'\)"),
    "mask of uint8": (lambda m, x: m.score((x > 9).astype(np.uint8)), "values 0 and 1 of 255"),
    "16 bits": (
        lambda m, x: m.encode(257 * x.astype(np.uint16)),
        r"not uint16: \(x // 257\).astype\('uint8'\)",
    ),
    "as 8 bits": (lambda m, x: m.encode(x.astype(np.uint16)), r"uint16: x.astype\('uint8'\)"),
    "signed": (lambda m, x: m.encode(x.astype(int) - 128), r"scale it to floats in \[0, 1\]"),
    "infinite": (lambda m, x: m.decode(np.full((2, 3), np.inf)), "vector has values that are not"),
    "pairs": (lambda m, x: m.interpolate(x[:2], x[2:5]), "2 images and 3"),
}


@pytest.mark.heavy
@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused_in_words(models, images, what):
    call, message = REFUSED[what]
    with pytest.raises(InputError, match=message):
        call(models["iae"], images)


@pytest.mark.heavy
def test_categories_that_are_not_there_are_refused(models):
    model = models["category"]
    with pytest.raises(InputError, match="a category is one of 4, from 0, not 4"):
        model.sample(2, category=4)
    with pytest.raises(InputError, match="a category is one of 4, from 0"):
        model.decode(np.zeros((2, 3)), [1, 7])
    with pytest.raises(InputError, match="a category is one of 4, from 0, not 1.5"):
        model.sample(2, category=1.5)
    for rows in ([[0.5, 0.2, 0.2, 0.2]], [[1.5, -0.5, 0.0, 0.0]]):
        with pytest.raises(InputError, match="at least 0, and a row's sum is 1"):
            model.decode(np.zeros((1, 3)), np.array(rows))
    with pytest.raises(InputError, match="2 vectors and 3 categories"):
        model.decode(np.zeros((2, 3)), [1, 2, 3])
    with pytest.raises(InputError, match="this model has no encoder"):
        models["gan"].reconstruct(np.zeros((1, 8, 8, 1)))


@pytest.mark.heavy
def test_folders_that_hold_no_run_are_refused(runs, tmp_path):
    _, workdir = runs["iae"]
    with pytest.raises(InputError, match="there is no trained run in"):
        iae_jax.load(tmp_path)
    with pytest.raises(InputError, match="the path of a run is a text or a Path, not 3"):
        iae_jax.load(3)
    with pytest.raises(InputError, match="seed is below 1"):
        iae_jax.load(workdir, seed=1)
    for checkpoint in (None, True, 2.0, "-1", -1):
        with pytest.raises(
            InputError, match=f"checkpoint is latest, best or a step, not .?{checkpoint}"
        ):
            iae_jax.load(workdir, checkpoint)
    assert iae_jax.load(workdir, 20).run.step == 20
    copy = shutil.copytree(workdir, tmp_path / "run")
    (copy / "config.json").write_text("{")
    with pytest.raises(InputError, match="config.json cannot be read"):
        iae_jax.load(copy)
    plain = json.loads((workdir / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(plain | {"color": 1}))
    with pytest.raises(InputError, match="there is no config field 'color' in Config"):
        iae_jax.load(copy)


def test_a_config_is_what_it_was_saved_as():
    config = tiny.get_config()
    config.metrics, config.encoder.network.hidden = ("a:b",), 17
    again = from_dict(json.loads(json.dumps(to_dict(config))))
    assert to_dict(again) == to_dict(config) and to_dict(again) != to_dict(Config())
    assert again.encoder.network.hidden == 17 and again.metrics == ("a:b",)
    with pytest.raises(InputError, match="the config's code is a section, not 3"):
        iae_jax.config.from_dict({"code": 3})
    with pytest.raises(InputError, match="the config's metrics is a list, not 'a:b'"):
        from_dict({"metrics": "a:b"})
    with pytest.raises(InputError, match="a config is a dict of its fields, not str"):
        from_dict("digits")


@pytest.mark.heavy
def test_only_the_folder_is_needed(runs, models, tmp_path):
    """In another process and place, after the data is gone, without the libraries of the data."""
    copy = shutil.copytree(runs["iae"][1], tmp_path / "run")
    plain = json.loads((copy / "config.json").read_text())
    plain["data"]["directory"] = str(tmp_path / "gone")
    (copy / "config.json").write_text(json.dumps(plain))
    program = f"""
import sys
for name in ("tensorflow_datasets", "grain", "matplotlib", "sklearn", "ml_collections"):
    sys.modules[name] = None
import iae_jax, numpy as np
np.save({str(tmp_path / "x.npy")!r}, iae_jax.load({str(copy)!r}).sample(5, seed=2))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = models["iae"].sample(5, seed=2)
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), expected, rtol=1e-5, atol=1e-6)
