"""A training by the command line, and what its modes write."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_launch import ROOT, launch

import iae_jax.runs.evaluation


@pytest.mark.heavy
def test_train_evaluate_sample_reconstruct(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    common = [
        "--config=tests/tiny.py",
        f"--workdir={tmp_path}/run",
        "--config.steps=20",
        f"--config.data.directory={tmp_path}/tfds",
        f"--config.run.cache={tmp_path}/cache",
    ]
    code, out, err = launch(*common)
    assert code == 0, err
    assert Path(out.split("figure: ")[1].strip()).exists()
    assert launch(*common, "--mode=evaluate", "--checkpoint=best")[0] == 0
    content = json.loads((tmp_path / "run" / "evaluation_test.json").read_text())
    values = {record["metric"]: record for record in content["records"]}
    assert values["pixel_error"]["n"] == 297
    assert values["frechet_sample"]["extractor"].startswith("classifier/digits/")
    assert launch(*common, "--mode=sample", "--count=7")[0] == 0
    assert np.load(tmp_path / "run" / "samples.npz")["x"].shape == (7, 8, 8, 1)
    assert launch(*common, "--mode=reconstruct", "--count=5")[0] == 0
    pair = np.load(tmp_path / "run" / "reconstructions.npz")
    assert pair["x"].shape == (5, 8, 8, 1) and pair["x_hat"].shape == (3, 5, 8, 8, 1)
    other = launch(*common, "--mode=sample", "--config.batch_size=8")
    assert other[0] == 2 and "give the flags that it was trained with" in other[2][-1]
    assert launch(*common, "--mode=interpolate", "--count=3")[0] == 0
    ways = np.load(tmp_path / "run" / "interpolations.npz")["x"]
    assert ways.shape == (3, 12, 8, 8, 1)
    assert launch(*common, "--mode=traverse")[0] == 0
    moved = np.load(tmp_path / "run" / "traversals.npz")["x"]
    assert moved.shape == (3, 12, 8, 8, 1) and np.all(np.std(moved, axis=1).max(axis=(1, 2, 3)) > 0)
    code, out, _ = launch(*common, "--mode=encode", "--split=validation")
    assert code == 0 and out.strip().endswith("codes_validation.npz")
    codes = np.load(tmp_path / "run" / "codes_validation.npz")
    assert codes["vector"].shape == (150, 3) and set(codes["labels"]) == set(range(10))
    for name in ("samples", "reconstructions", "interpolations", "traversals"):
        assert (tmp_path / "run" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    for bad in ("²", "٤", "9" * 5000, "-1", ""):
        code, _, lines = launch(*common, "--mode=sample", f"--checkpoint={bad}")
        assert code == 2 and "the checkpoint is latest, best or a step" in lines[-1]
    code, _, lines = launch(*common, "--mode=reconstruct", "--count=1000")
    assert code == 2 and "this needs 1000 images and test has 297: lower --count" in lines[-1]


@pytest.mark.heavy
def test_views_of_a_category_and_of_a_plane(tmp_path, monkeypatch):
    """A column for each category; a picture of a code of two components."""
    monkeypatch.chdir(ROOT)
    common = [
        "--config=tests/tiny.py",
        f"--workdir={tmp_path}/run",
        "--config.steps=10",
        "--config.code.categories=4",
        "--config.code.size=2",
        f"--config.data.directory={tmp_path}/tfds",
    ]
    assert launch(*common)[0] == 0
    assert launch(*common, "--mode=traverse", "--count=5")[0] == 0
    assert np.load(tmp_path / "run" / "traversals.npz")["x"].shape == (5, 4, 8, 8, 1)
    assert launch(*common, "--mode=interpolate", "--count=2")[0] == 0
    assert launch(*common, "--mode=encode")[0] == 0
    codes = np.load(tmp_path / "run" / "codes_test.npz")
    np.testing.assert_allclose(codes["probabilities"].sum(axis=1), 1.0, rtol=1e-5)
    assert codes["vector"].shape == (297, 2)
    assert (tmp_path / "run" / "codes_test.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.heavy
@pytest.mark.parametrize(("split", "named"), [("test", 150), ("validation", None)])
def test_clusters_are_not_named_on_the_split_that_is_measured(tmp_path, monkeypatch, split, named):
    monkeypatch.chdir(ROOT)
    common = [
        "--config=tests/tiny.py",
        f"--workdir={tmp_path}/run",
        "--config.steps=10",
        "--config.code.categories=12",
        f"--config.data.directory={tmp_path}/tfds",
        "--config.run.classifier=false",
    ]
    assert launch(*common)[0] == 0
    given = []
    monkeypatch.setattr(
        iae_jax.runs.evaluation, "evaluate", lambda trained, *_: given.append(trained) or []
    )
    assert launch(*common, "--mode=evaluate", f"--split={split}")[0] == 0
    others = given[0].validation
    assert (others and len(others.x)) == named and len(given[0].train.x) > 1000


@pytest.mark.heavy
def test_a_model_without_an_encoder_shows_what_it_can(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    common = [
        "--config=tests/tiny.py:gan",
        f"--workdir={tmp_path}/run",
        "--config.steps=10",
        f"--config.data.directory={tmp_path}/tfds",
    ]
    assert launch(*common)[0] == 0
    for mode in ("interpolate", "traverse", "sample"):
        assert launch(*common, f"--mode={mode}", "--count=2")[0] == 0
    for mode in ("reconstruct", "encode"):
        code, _, lines = launch(*common, f"--mode={mode}")
        assert code == 2 and "has no encoder" in lines[-1]
