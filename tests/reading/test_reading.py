"""The modes that read a trained run: from its folder alone, any images, files that say what they
are of. Numbers are checked against the networks applied by hand."""

import csv
import json

import jax
import numpy as np
import pytest
from PIL import Image
from read_runs import COPIES, read
from test_launch import launch

import iae_jax
from iae_jax.runs import visualize
from iae_jax.types import Code

pytestmark = pytest.mark.heavy


def local_codes(seed, count, size):
    """As the project defines them: example i of a seed, the noise number 2."""

    def one(i):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), i), 2)
        return jax.random.normal(key, (size,))

    return np.stack([one(i) for i in range(count)])


def test_samples_have_their_codes_and_need_no_data(runs):
    found = read(runs["category"], "--mode=sample", "--count=130")
    assert found["x"].shape == (130, 8, 8, 1) and found["step"] == 10
    few = read(runs["category"], "--mode=sample", "--count=8")
    for name in ("x", "vector", "category"):
        np.testing.assert_array_equal(few[name], found[name][:8])
    run = iae_jax.load(runs["category"]).run
    one_hot = np.eye(4, dtype=np.float32)[found["category"]]
    scale = (10 - 5) / 20  # of the ramp of the local code
    z, n = Code(found["vector"], one_hot, one_hot), scale * local_codes(11, 130, 2)
    expected = run.game.networks.generator.sample(run.params().generator, z, n)
    np.testing.assert_allclose(found["x"], expected, rtol=1e-4, atol=1e-5)
    assert set(found["category"]) == {0, 1, 2, 3}
    of_three = read(runs["category"], "--mode=sample", "--count=9", "--category=3")
    assert (of_three["category"] == 3).all()
    np.testing.assert_array_equal(of_three["vector"], found["vector"][:9])
    columns = read(runs["category"], "--mode=traverse", "--count=5")["x"]
    assert columns.shape == (5, 4, 8, 8, 1)


def test_a_part_is_as_the_whole(runs, monkeypatch):
    """Written in many parts, the files are the same."""
    whole = read(runs["category"], "--mode=sample", "--count=250")
    monkeypatch.setattr(visualize, "CHUNK", 100)
    for name, values in read(runs["category"], "--mode=sample", "--count=250").items():
        np.testing.assert_array_equal(values, whole[name])


def test_samples_as_pngs(runs):
    given = "--mode=sample", "--count=12"
    found = read(runs["category"], *given)
    assert launch(f"--workdir={runs['category']}", *given, "--format=png")[0] == 0
    samples = runs["category"] / "samples"
    assert len(list(samples.iterdir())) == 13
    for i, x in enumerate(found["x"]):
        pixels = np.asarray(Image.open(samples / f"{i:06d}.png"))
        assert pixels.dtype == np.uint8 and pixels.shape == (8, 8)
        np.testing.assert_array_equal(pixels, np.rint(x[..., 0] * 255))
    with np.load(samples / "codes.npz") as codes:
        np.testing.assert_array_equal(codes["vector"], found["vector"])
        np.testing.assert_array_equal(codes["category"], found["category"])
    shorter = f"--workdir={runs['category']}", "--mode=sample", "--count=3", "--format=png"
    assert launch(*shorter)[0] == 0  # none of the twelve are left
    assert {one.name for one in samples.glob("*.png")} == {f"00000{i}.png" for i in range(3)}
    # A note, or images of somebody that are numbered too: without this mode's own file.
    (samples / "mine.txt").write_text("a note")
    code, _, lines = launch(*shorter)
    assert code == 2 and "has a file mine.txt that would be lost" in lines[-1]
    (samples / "mine.txt").rename(samples / "codes.npz").rename(samples / "000099.png")
    code, _, lines = launch(*shorter)
    assert code == 2 and "has files of another kind, which would be lost" in lines[-1]
    assert (samples / "000099.png").exists()


def test_codes_of_a_folder(runs, folder, digits):
    """Six copies have one mean, and samples of their own."""
    found = read(runs["vae"], "--mode=encode", f"--images=images:{folder}")
    assert (runs["vae"] / "codes_set.npz").exists()
    names = [f"{'cats' if i < 12 else 'dogs'}/{i:02d}.png" for i in range(20)]
    assert found["names"].tolist() == names
    # The run's classes are digits: it knows neither.
    assert found["labels"].tolist() == [-1] * 20
    assert found["classes"].tolist() == ["cats"] * 12 + ["dogs"] * 8
    assert (found["mean"][1:COPIES] == found["mean"][0]).all()
    assert (found["deviation"][1:COPIES] == found["deviation"][0]).all()
    assert len(np.unique(found["vector"][:COPIES], axis=0)) == COPIES
    assert len(np.unique(found["mean"], axis=0)) == 20 - COPIES + 1
    run = iae_jax.load(runs["vae"]).run
    x = np.concatenate([np.repeat(digits[:1], COPIES, axis=0), digits[COPIES:20]]) / 255
    encoding = run.game.networks.encoder.apply(
        run.params().encoder, x.astype(np.float32), np.zeros((20, 3), np.float32)
    )
    np.testing.assert_allclose(found["mean"], encoding.mean, rtol=1e-4, atol=1e-5)
    sd = np.exp(encoding.log_variance / 2)
    np.testing.assert_allclose(found["deviation"], sd, rtol=1e-4, atol=1e-5)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_of_a_folder(runs, folder):
    code, out, err = launch(f"--workdir={runs['vae']}", "--mode=score", f"--images=images:{folder}")
    assert code == 0, err
    lines = table(runs["vae"] / "scores_set.csv")
    assert list(lines[0]) == [
        "name", "label", "class", "log_likelihood", "pixel_error", "prior_log_density", "step",
        "seed", "config", "images", "fingerprint",
    ]  # fmt: skip
    of = {(one["step"], one["seed"], one["images"]) for one in lines}
    assert of == {("10", "11", f"images:{folder}")}
    found = read(runs["vae"], "--mode=encode", f"--images=images:{folder}")
    assert [one["name"] for one in lines] == found["names"].tolist()
    assert {one["label"] for one in lines} == {""}
    assert [one["class"] for one in lines] == found["classes"].tolist()
    density = -0.5 * (found["vector"] ** 2).sum(axis=1) - 1.5 * np.log(2 * np.pi)
    own = [float(one["prior_log_density"]) for one in lines]
    np.testing.assert_allclose(own, density, rtol=1e-4)
    pair = read(runs["vae"], "--mode=reconstruct", f"--images=images:{folder}", "--count=20")
    error = np.abs(pair["x"] - pair["x_hat"][0]).mean(axis=(1, 2, 3))
    np.testing.assert_allclose([float(one["pixel_error"]) for one in lines], error, rtol=1e-4)


def test_a_discriminator_of_images_alone_scores_too(runs, tmp_path, digits):
    np.savez(tmp_path / "own.npz", images=digits)
    assert launch(f"--workdir={runs['gan']}", "--mode=score", "--images=npz:own.npz")[0] == 0
    lines = table(runs["gan"] / "scores_own.csv")
    assert list(lines[0])[:5] == ["name", "label", "class", "reconstruction_logit", "step"]
    assert [(one["name"], one["label"]) for one in lines] == [(str(i), "") for i in range(40)]
    run = iae_jax.load(runs["gan"]).run
    logits = run.game.networks.reconstruction_discriminator.apply(
        run.params().reconstruction_discriminator, np.float32(digits / 255), None
    )
    own = [float(one["reconstruction_logit"]) for one in lines]
    np.testing.assert_allclose(own, logits[:, 0], rtol=1e-4, atol=1e-5)


def test_images_are_selected_by_name_and_by_index(runs, folder, tmp_path, digits):
    of_folder = f"--images=images:{folder}"
    found = read(runs["vae"], "--mode=reconstruct", of_folder, "--select=19,cats/07.png,16.png")
    assert found["names"].tolist() == ["dogs/19.png", "cats/07.png", "dogs/16.png"]
    np.testing.assert_allclose(found["x"], digits[[19, 7, 16]] / 255, atol=1e-6)
    assert found["x_hat"].shape == (3, 3, 8, 8, 1)
    ways = read(runs["vae"], "--mode=interpolate", of_folder, "--select=07.png,19.png,15.png")
    assert ways["x"].shape == (2, 12, 8, 8, 1)
    assert ways["names"].tolist() == [
        ["cats/07.png", "dogs/19.png"], ["dogs/19.png", "dogs/15.png"]
    ]  # fmt: skip
    np.savez(tmp_path / "test.npz", images=digits[:9], test_images=digits[30:33])
    absolute = f"--images=npz:{tmp_path / 'test.npz'}"
    own = read(runs["vae"], "--mode=encode", absolute, "--select=3,11")
    assert own["names"].tolist() == ["3", "11"]
    assert {path.name for path in runs["vae"].glob("codes_*")} == {"codes_images_test.npz"}
    every = read(runs["vae"], "--mode=encode", "--images=npz:test.npz")
    np.testing.assert_allclose(own["mean"], every["mean"][[3, 11]], rtol=1e-4, atol=1e-5)


def test_a_traversal_of_a_selected_image_moves_over_the_codes_of_all(runs, digits):
    np.savez("own.npz", images=digits)
    words = "--mode=traverse", "--images=npz:own.npz"
    every, own = read(runs["vae"], *words), read(runs["vae"], *words, "--select=5")
    assert (every["names"].tolist(), own["names"].tolist()) == (["0"], ["5"])
    model = iae_jax.load(runs["vae"])
    codes = model.encode(digits, seed=11).vector
    moved = np.tile(model.encode(digits[5:6], seed=11).vector, (12, 1))
    moved[:, 1] = codes[:, 1].mean() + np.linspace(-2, 2, 12) * codes[:, 1].std()
    np.testing.assert_allclose(own["x"][1], model.decode(moved), rtol=1e-4, atol=1e-5)
    for refused, message in (
        ((*words, "--select=5,6"), "--select one"),
        (("--mode=traverse", "--images=digits:test[:1]"), "an SD is of two codes or more"),
    ):
        code, _, err = launch(f"--workdir={runs['vae']}", *refused)
        assert code == 2 and message in err[-1], err


@pytest.mark.parametrize(
    ("mode", "file"), [("encode", "codes_own.npz"), ("score", "scores_own.csv")]
)
def test_outputs_of_other_images_of_that_name_are_kept(runs, tmp_path, digits, mode, file):
    (tmp_path / "b").mkdir()
    np.savez("own.npz", images=digits)
    np.savez("b/own.npz", images=digits[:7])

    def write(place):
        return launch(f"--workdir={runs['vae']}", f"--mode={mode}", f"--images=npz:{place}own.npz")

    assert write("")[0] == write("")[0] == 0
    before = (runs["vae"] / file).read_bytes()
    code, _, err = write("b/")
    assert code == 2 and "is of other images (npz:own.npz): move it away" in err[-1]
    assert (runs["vae"] / file).read_bytes() == before


def test_a_set_of_tfds_and_another_place_to_write(runs, data_directory, tmp_path):
    file = runs["vae"] / "config.json"
    plain = json.loads(file.read_text())
    plain["data"]["directory"] = data_directory
    file.write_text(json.dumps(plain))
    before = sorted(runs["vae"].iterdir())
    given = "--mode=encode", f"--output={tmp_path / 'new' / 'place'}"
    own = read(runs["vae"], *given)  # of the run: the test split
    assert len(own["vector"]) == 297
    found = read(runs["vae"], *given, "--images=digits:test[:20]")
    np.testing.assert_array_equal(found["mean"], own["mean"][:20])
    np.testing.assert_array_equal(found["labels"], own["labels"][:20])
    names = sorted(path.name for path in (tmp_path / "new" / "place").iterdir())
    assert names == ["codes_digits_test_20.npz", "codes_test.npz", "test_reads.jsonl"]
    (line,) = (tmp_path / "new" / "place" / "test_reads.jsonl").read_text().splitlines()
    assert json.loads(line)["n"] == 297  # of the run's own test split alone
    assert sorted(runs["vae"].iterdir()) == before
