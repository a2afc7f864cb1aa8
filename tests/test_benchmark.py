"""The benchmark's arithmetic against numbers by hand; its workloads where PyTorch and pythae are
installed; steps of its own networks and of several seeds."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from experiments import benchmark, overheads, scaling, timing, weak_scaling, works
from experiments.timing import Row, Timings
from iae_jax import init, train_step
from iae_jax.errors import InputError


def measured(*seconds, first=0.0, flops=0.0, busy=0.02):
    return [{"seconds": one, "first": first, "flops": flops, "busy": busy} for one in seconds]


def test_ratios_are_of_medians():
    found = {
        ("conv_mnist", "ours"): measured(0.02, 0.01, 0.05, first=7.0, flops=1e9),
        ("conv_mnist", "torch_twin"): measured(0.03, 0.08, 0.04, first=1.0, busy=0.04),
    }
    products = [{"rate": rate} for rate in (80e9, 100e9, 300e9)]
    rows = {
        (metric, variant): values
        for metric, variant, values, _ in benchmark.figures_of(found, products)
    }
    assert rows["throughput_ratio", "conv_mnist/torch_twin"] == pytest.approx([2.0])
    assert rows["throughput_ratio_lowest", "conv_mnist/torch_twin"] == pytest.approx([0.8])
    assert rows["throughput_ratio_highest", "conv_mnist/torch_twin"] == pytest.approx([8.0])
    assert rows["gemm_share", "conv_mnist"] == pytest.approx([0.5])  # 1e9 / 0.02 / 100e9
    assert rows["break_even_steps", "conv_mnist/torch_twin"] == pytest.approx([300.0])
    assert rows["busy_share", "all"] == [0.04]
    assert rows["milliseconds_per_step", "conv_mnist/ours"] == pytest.approx([20, 10, 50])


def test_a_slower_side_has_no_break_even():
    found = {
        ("conv64", "ours"): measured(0.04),
        ("conv64", "torch_twin_compiled"): measured(0.03, first=40.0),
    }
    rows = {row[:2]: row[2] for row in benchmark.figures_of(found, [{"rate": 1e9}])}
    assert rows["throughput_ratio", "conv64/torch_twin"] == pytest.approx([0.75])
    assert not any(metric == "break_even_steps" for metric, _ in rows)


def test_the_exponent_is_the_slope():
    sizes = np.array([1, 2, 4, 16])
    assert scaling.exponent(sizes, 3 * sizes**0.7) == pytest.approx(0.7)


@pytest.fixture
def idle(monkeypatch):
    """A machine that nothing runs on; psutil is an extra."""
    monkeypatch.setattr(timing, "check_idle", lambda busy_allowed: None)
    monkeypatch.setattr(timing, "busy", lambda: 0.0)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("a\nerror: b is missing\n", "b is missing"),
        (
            "F0101 lost a process\n*** stack ***\n    @     0x7f2b  PyObject_Call\n",
            "F0101 lost a process",
        ),
        ("  \n", "no message"),
    ],
)
def test_the_reason_of_a_child_that_failed(said, reason, tmp_path, monkeypatch, idle):
    done = timing.subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(timing.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(InputError, match=f"^a b failed: {reason}$"):
        timing.child("x", "a", "b", compiled=tmp_path)


def touch(path, records):
    path.touch()


def test_other_settings_write_elsewhere(tmp_path, monkeypatch, idle):
    monkeypatch.chdir(tmp_path)
    parser = timing.parser("experiments.scaling", rounds=3, seconds=2.0)

    def run(options):
        return Timings([Row("exponent", "batch", [0.5], 4)], "cpu")

    for words, record, figure in (
        (["--rounds=2"], "runs/scaling/scaling.json", "runs/scaling/scaling.png"),
        ([], "results/scaling.json", "docs/scaling.png"),
    ):
        assert timing.main(parser, lambda *_: {}, run, touch, words) == 0
        assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} >= {
            record,
            figure,
        }
        if words:
            assert not (tmp_path / "results").exists() and not (tmp_path / "docs").exists()


def test_a_record_holds_the_command_and_the_rounds(tmp_path, capsys, idle):
    parser = timing.parser("experiments.scaling", rounds=3, seconds=2.0)
    parser.add_argument("--short", action="store_true")
    words = ["--rounds=2", "--short", f"--results={tmp_path}", f"--figures={tmp_path / 'f'}"]

    def run(options):
        assert options.rounds == 2 and options.seconds == 2.0
        return Timings([Row("exponent", "batch", [0.5, 0.7], 4)], "a device")

    assert timing.main(parser, lambda *_: {}, run, touch, words) == 0
    (record,) = json.loads((tmp_path / "scaling.json").read_text())["records"]
    assert record["command"] == "python -m experiments.scaling --rounds=2 --short"
    assert record["device"].startswith("1 x a device, ")
    assert record["values"] == [0.5, 0.7] and record["n_examples"] == 4
    assert (tmp_path / "f" / "scaling.png").exists()
    words = ["--child", "a", "b"]
    assert timing.main(parser, lambda words, _: {"got": words}, run, touch, words) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"got": ["a", "b"]}


def test_the_error_of_a_child_is_kept(tmp_path, idle):
    with pytest.raises(InputError, match="^batch three failed: ValueError"):
        timing.child("experiments.scaling", "batch", "three", seconds=1.0, compiled=tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "work, parameters",
    [
        ("mlp_vae", 784 * 512 + 512 + 2 * (512 * 16 + 16) + 16 * 512 + 512 + 512 * 784 + 784),
        (
            "mlp_aae",
            784 * 512
            + 512
            + 2 * (512 * 16 + 16)
            + 16 * 512
            + 512
            + 512 * 784
            + 784
            + 16 * 256
            + 256
            + 256
            + 1,
        ),
    ],
)
def test_the_networks_of_pythae(work, parameters):
    game = works.game_of(work)
    state = init(game, jax.random.key(0))
    assert works.count(state.params) == parameters
    x = jax.random.uniform(jax.random.key(1), (6, *works.MLP_SHAPE))
    after, metrics = jax.jit(lambda state: train_step(game, state, x))(state)
    assert int(after.step) == 1 and all(math.isfinite(value) for value in metrics.values())
    moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), state.params, after.params)
    assert all(jax.tree.leaves(moved))


def test_the_operations_of_a_step_are_counted_once():
    """By hand: of each product three, forward, for the kernel and for the input, but for the
    images. What is not a product is a twentieth at most."""
    steps = works.steps_of(works.call_of(works.game_of("mlp_vae"), works.images("mlp_vae"), 100, 7))
    kernels = 784 * 512 + 2 * 512 * 16 + 16 * 512 + 512 * 784
    products = 2 * 100 * (3 * kernels - 784 * 512)
    assert products < steps.flops() < 1.05 * products


@pytest.mark.heavy
@pytest.mark.parametrize("problem", scaling.PROBLEMS)
def test_every_problem_trains_several_seeds(problem):
    """Traced, not computed."""
    chunk, states, arguments, steps = scaling.seeds_of(problem, 3)
    after, metrics = jax.eval_shape(lambda s: chunk(s, **arguments, steps=steps), states)
    assert after.step.shape == (3,) and metrics["reconstruction"].shape == (3, steps)
    keys = jax.random.key_data(states.key)
    assert len({tuple(key) for key in keys.tolist()}) == 3


@pytest.mark.slow
@pytest.mark.parametrize("streamed", [False, True])
def test_the_input_pipeline_is_timed(streamed, monkeypatch, data_directory):
    config = tiny.get_config()
    config.steps, config.data.directory = 1000, data_directory
    monkeypatch.setattr(overheads, "get_config", lambda variant: config)
    on_device, from_set = overheads.pipeline(streamed, rounds=1)
    assert on_device > 0 and from_set > 0
    assert config.run.resident_megabytes == (0 if streamed else 1024)


@pytest.mark.heavy
def test_the_first_step_is_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(overheads, "get_config", lambda variant: tiny.get_config())
    assert overheads.first_step(tmp_path) > 0


@pytest.mark.heavy
def test_steps_are_timed_with_and_without_collectives(monkeypatch):
    """Of the program, since times depend on the machine: it sums over devices with an axis only."""
    game = works.mlp(adversarial=False)
    monkeypatch.setattr(weak_scaling.works, "conv", lambda shape, r1: game)
    monkeypatch.setattr(weak_scaling, "STEPS", 1)
    found = weak_scaling.measure(["2"], 0.0)
    assert found["with"] > 0 and found["without"] > 0 and found["device"] == "cpu"
    devices, state = jax.local_devices()[:2], jax.eval_shape(lambda: init(game, jax.random.key(0)))
    positions = jax.ShapeDtypeStruct((1, 2, 4), np.int32)
    images = jax.ShapeDtypeStruct((9, *works.MLP_SHAPE), np.uint8)
    for axis_name in (weak_scaling.AXIS, None):
        program = weak_scaling.chunk(game, axis_name, devices).lower(state, positions, images)
        assert ("all_reduce" in program.as_text()) == (axis_name is not None)


@pytest.mark.parametrize("work", ["mlp_aae", "conv_mnist_r1"])
def test_both_sides_compute_the_same(work):
    pytest.importorskip("pythae", reason="an extra: pip install '.[bench]'")
    from experiments import agreement

    assert "parameters" in agreement.check(work)


def test_bad_input_is_refused_in_one_line(capsys):
    for arguments, message in (
        (["--works=conv_mnist,nothing"], "--works are some of mlp_vae"),
        (["--rounds=0"], "--rounds is at least 1"),
    ):
        assert benchmark.main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert scaling.main(["--seconds=0"]) == 2
    assert "and --seconds above 0" in capsys.readouterr().err


def test_a_measurement_replaces_the_records_of_its_own_prefix_and_works_alone(tmp_path):
    drawn = []

    def draw(path, records):
        path.touch()
        drawn.append({record["variant"] for record in records})

    def measured_again(milliseconds, *flags, work="step"):
        found = Timings([Row("time", work, [milliseconds], 1)], "cpu")
        parser = timing.parser("experiments.some", rounds=1)
        parser.add_argument("--works", default="step,turn")
        folders = [f"--results={tmp_path}", f"--figures={tmp_path}"]
        assert timing.main(parser, None, lambda options: found, draw, [*folders, *flags]) == 0
        records = json.loads((tmp_path / "some.json").read_text())["records"]
        return {record["variant"]: record["mean"] for record in records}, records

    assert measured_again(3.0)[0] == {"step": 3.0}
    assert measured_again(7.0, "--prefix=one_core")[0] == {"step": 3.0, "one_core/step": 7.0}
    both, records = measured_again(4.0)
    assert both == {"step": 4.0, "one_core/step": 7.0}
    assert records[0]["versions"]["jax"] == jax.__version__
    assert (tmp_path / "some.png").exists() and (tmp_path / "some_one_core.png").exists()
    both_works = {"step": 4.0, "turn": 5.0, "one_core/step": 7.0}
    assert measured_again(5.0, "--works=turn", work="turn")[0] == both_works
    assert drawn[-1] == {"step", "turn"}
    assert measured_again(6.0, "--works=step")[0] == both_works | {"step": 6.0}
    assert measured_again(8.0)[0] == {"step": 8.0, "one_core/step": 7.0}  # of all works
    assert drawn[-1] == {"step"}
    # Of the records alone: one_core's without its prefix, and nothing is measured.
    drawn.clear()
    (tmp_path / "some_one_core.png").unlink()
    before = (tmp_path / "some.json").read_bytes()
    measured_again(9.0, "--draw", "--prefix=one_core")
    assert drawn == [{"step"}] and (tmp_path / "some_one_core.png").exists()
    assert (tmp_path / "some.json").read_bytes() == before


def test_there_has_to_be_something_to_draw(tmp_path, capsys):
    words = ["--draw", f"--results={tmp_path}", f"--figures={tmp_path}"]
    assert scaling.main(words) == 2 and "nothing to draw" in capsys.readouterr().err
