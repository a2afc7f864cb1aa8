"""Records of several seeds. The oracle is arithmetic done by hand."""

import json

import pytest

from iae_jax.results import main


def workdir(path, seed, agreement, n=50, extractor="judge/mnist/1a", checkpoint="best"):
    path.mkdir()
    records = [
        {"metric": "label_agreement", "value": agreement, "n": n, "seed": seed, "split": "test",
         "extractor": extractor, "config": "c"},
    ]
    (path / "evaluation_test.json").write_text(
        json.dumps({
            "checkpoint": checkpoint, "step": 9, "judge_test_accuracy": 0.99, "records": records,
        })
    )
    run = {"steps": 9, "steps_per_second": 2.0 + seed, "compile_seconds": 1.0,
           "peak_memory_megabytes": 7.0, "training_seconds": 30.0 * seed, "device": "1 x cpu",
           "cores": 2, "commit": "abc"}
    (path / "run.json").write_text(json.dumps(run))
    return str(path)


def test_one_value_per_seed_with_mean_and_spread(tmp_path, capsys):
    seeds = [workdir(tmp_path / f"s{seed}", seed, value)
             for seed, value in ((1, 0.9), (2, 0.96), (4, 0.93))]
    arguments = ["experiment", f"twenty={','.join(seeds)}", "--directory", str(tmp_path / "r")]
    assert main(arguments) == 0
    content = json.loads((tmp_path / "r" / "experiment.json").read_text())
    record = content["records"][0]
    assert record["values"] == [0.9, 0.96, 0.93] and record["seeds"] == [1, 2, 4]
    assert record["mean"] == pytest.approx(0.93) and record["sd"] == pytest.approx(0.03)
    assert record["n_examples"] == 50 and record["seconds"] == [30, 60, 120]
    assert "| label_agreement | 0.9300 ± 0.0300 |" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"n": 51}, {"extractor": "judge/mnist/2b"}])
def test_seeds_that_were_measured_otherwise_are_refused(tmp_path, capsys, change):
    pair = [workdir(tmp_path / "a", 1, 0.9), workdir(tmp_path / "b", 2, 0.9, **change)]
    assert main(["e", f"v={','.join(pair)}", "--directory", str(tmp_path / "r")]) == 2
    assert f"differs in {next(iter(change))} between seeds" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_run_that_is_not_evaluated_or_is_there_twice_is_refused(tmp_path, capsys):
    assert main(["e", f"v={tmp_path / 'absent'}"]) == 2
    assert "--mode=evaluate" in capsys.readouterr().err
    pair = [workdir(tmp_path / "a", 1, 0.9), workdir(tmp_path / "c", 1, 0.8)]
    assert main(["e", f"v={','.join(pair)}"]) == 2
    assert "not all different" in capsys.readouterr().err
    other = workdir(tmp_path / "b", 2, 0.8, checkpoint="latest")
    assert main(["e", f"v={pair[0]},{other}"]) == 2
    assert "another checkpoint" in capsys.readouterr().err
    assert main(["e", "v"]) == 2
    assert "VARIANT=WORKDIR" in capsys.readouterr().err
