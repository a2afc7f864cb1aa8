"""Curves in TensorBoard and W&B: every step once, however often a run was killed. The oracle is
TensorBoard's own reader, and the file of an offline run where W&B is installed."""

import json
import sys
import time
import types

import numpy as np
import pytest
import tiny
from processes import started, wait_for

from iae_jax.errors import InputError
from iae_jax.files.curve_writers import TensorBoard, WandB, curves_of, writers_of
from iae_jax.files.metrics_log import MetricsLog
from iae_jax.runs.config import Config, digest
from iae_jax.runs.setup import set_up
from iae_jax.runs.train import train


def line(step, **numbers):
    return {"step": step, "seconds": step / 4, **numbers}


def read(folder):
    """tag -> [(step, value)], by TensorBoard's own reader of all files in the folder."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reader.EventAccumulator(str(folder / "tensorboard"), {reader.SCALARS: 0})
    found.Reload()
    return {
        tag: [(one.step, one.value) for one in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def test_the_curves_of_a_line():
    assert curves_of(line(3, loss=2.0, validation_a_validation_b=1, note="x", none=None)) == {
        "loss": 2.0,
        "validation/a_validation_b": 1,
    }


def test_a_run_that_was_killed_twice_has_each_step_once(tmp_path):
    """Killed: a writer that is left open. What it wrote after the checkpoint, that of step 20 and
    then that of step 30, is written again with other numbers."""
    pytest.importorskip("tensorboardX")
    left, log = [], tmp_path / "metrics.jsonl"
    for kept, end, shift in ((0, 40, 0.0), (2, 50, 0.25), (3, 60, 0.5)):
        for path in (tmp_path / "tensorboard").glob("*.iae_jax"):  # named by the second: older ones
            path.rename(path.with_name(f"events.out.tfevents.{10**9 + kept}.vm.iae_jax"))
        metrics = MetricsLog(log, kept)
        left.append(TensorBoard(tmp_path, metrics.records(), {}))
        for step in range(10 * kept + 10, end + 1, 10):
            new = line(step, loss=step + shift, **({"validation_x": 1 / step} if step > 30 else {}))
            metrics.write(new)
            left[-1].write(new)
    expected = [(10, 10.0), (20, 20.0), (30, 30.25), (40, 40.5), (50, 50.5), (60, 60.5)]
    found = read(tmp_path)
    assert found["loss"] == expected
    assert found["validation/x"] == [(s, np.float32(1 / s)) for s in (40, 50, 60)]
    assert set(found) == {"loss", "validation/x"}
    for writer in left:
        writer.close()


def test_a_tensorboard_that_is_open_forgets_what_is_written_again(tmp_path):
    """Its reader has the first process's steps and then meets the second's file."""
    pytest.importorskip("tensorboardX")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first = TensorBoard(tmp_path, [], {})
    for step in (1, 2, 3):
        first.write(line(step, loss=step))
    shown = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    shown.Reload()
    assert [one.step for one in shown.Scalars("loss")] == [1, 2, 3]
    first.close()
    time.sleep(1.1)  # event files are named by the second
    second = TensorBoard(tmp_path, [line(1, loss=1.0)], {})
    second.write(line(2, loss=7.0))
    shown.Reload()
    assert [(one.step, one.value) for one in shown.Scalars("loss")] == [(1, 1.0), (2, 7.0)]
    second.close()


def test_the_axis_of_time_is_that_of_training_and_files_of_others_stay(tmp_path):
    pytest.importorskip("tensorboardX")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (tmp_path / "tensorboard").mkdir()
    other = tmp_path / "tensorboard" / "notes.txt"
    other.write_text("mine")
    lines = [line(8, loss=1.0), line(20, loss=1.0)]
    writer = TensorBoard(tmp_path, lines, {})
    writer.write(line(28, loss=1.0))
    writer.close()
    found = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    moments = [one.wall_time for one in found.Scalars("loss")]
    np.testing.assert_allclose(np.diff(moments), [3.0, 2.0], atol=1e-3)
    assert abs(moments[1] - time.time()) < 60 and other.read_text() == "mine"


class Wandb(types.ModuleType):
    """What is used of wandb, as its documentation has it: `step` is the first that a run lacks, and
    smaller ones are dropped. runs: id -> [(step, numbers)] that the server has."""

    Error = type("Error", (Exception,), {})

    def __init__(self, offline):
        super().__init__("wandb")
        self.offline, self.runs, self.asked = offline, {}, []

    def Settings(self, **options):
        return options

    def init(self, *, id, dir, **options):
        self.asked.append({"id": id, "dir": dir, **options})
        sent = [] if self.offline else self.runs.get(id, [])
        self.runs[id] = sent
        folder = f"{dir}/wandb/offline-run-{len(self.asked)}-{id}/files"
        if self.offline:
            __import__("pathlib").Path(folder).mkdir(parents=True)
        run = types.SimpleNamespace(offline=self.offline, dir=folder, finish=lambda: None)
        run.step = sent[-1][0] + 1 if sent else 0
        run.log = lambda numbers, step: sent.append((step, numbers))
        return run


@pytest.mark.parametrize("offline", [True, False])
def test_wandb_is_sent_what_it_lacks(tmp_path, monkeypatch, offline):
    """Online it has the steps of the process that was killed; offline, a new folder has all."""
    fake = Wandb(offline)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    first = WandB(tmp_path, [], {"also": ("a",)})
    for step in (1, 2, 3):
        first.write(line(step, loss=step))
    second = WandB(tmp_path, [line(1, loss=1)], {})
    for step in (2, 3, 4):
        second.write(line(step, loss=step))
    one, other = fake.asked
    assert one["id"] == other["id"] == (tmp_path / "wandb_id").read_text()
    assert one["config"] == {"also": ["a"]} and one["project"] == "iae_jax"
    assert one["resume"] == "allow" and one["name"] == tmp_path.name
    assert fake.runs[one["id"]] == [(step, {"loss": step}) for step in (1, 2, 3, 4)]
    folders = [path.name for path in (tmp_path / "wandb").glob("*")] if offline else []
    assert folders == ([f"offline-run-2-{one['id']}"] if offline else [])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    WandB(elsewhere, [], {})
    assert fake.asked[-1]["id"] != one["id"]


def test_wandb_that_does_not_start_is_one_line(tmp_path, monkeypatch):
    fake = Wandb(False)
    fake.init = lambda **_: (_ for _ in ()).throw(fake.Error("api_key not configured\nmore"))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    with pytest.raises(InputError, match=r"does not start \(api_key not configured\): log in"):
        WandB(tmp_path, [], {})


def logged(data, block=2**15, header=7):
    """The records of a log in LevelDB's format, behind W&B's own header: in blocks, each piece has
    a checksum, its length and whether it is all of a record (1) or its last piece (4)."""
    place, record = header, b""
    while place + header <= len(data):
        if (left := block - place % block) < header:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        record += data[place + header : place + header + length]
        place += header + length
        if kind in (1, 4):
            yield record
            record = b""


@pytest.mark.slow
def test_an_offline_run_of_wandb_has_each_step_once(tmp_path, monkeypatch):
    """By the records of its file."""
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    for lines, steps in (([], (1, 2, 3)), ([line(1, loss=1.0)], (2, 3, 4))):
        writer = WandB(tmp_path, lines, {"steps": 4})
        for step in steps:
            writer.write(line(step, loss=float(step)))
        writer.close()
    (path,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    found = []
    for data in logged(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {one.key or one.nested_key[0]: one.value_json for one in record.history.item}
            found.append((int(items["_step"]), float(items["loss"])))
    assert found == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("tensorbord", "run.curves is a list of tensorboard, wandb, not 'tensorbord'"),
        ("tensorboard,wandb", r"needs wandb: pip install 'iae_jax\[wandb\]'"),
        ("tensorboard", r"needs tensorboardX: pip install 'iae_jax\[tensorboard\]'"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_made(monkeypatch, names, message):
    there = {"tensorboardX"} if "wandb" in names else set()
    monkeypatch.setattr(
        "iae_jax.files.curve_writers.importlib.util.find_spec", lambda name: name in there or None
    )
    with pytest.raises(InputError, match=message):
        writers_of(names)
    monkeypatch.undo()
    monkeypatch.setattr("iae_jax.runs.setup.check_metrics", lambda _: writers_of("nowhere"))
    with pytest.raises(InputError, match="run.curves is a list"):
        set_up(tiny.get_config())


def test_curves_are_no_part_of_a_runs_identity():
    config = Config()
    config.run.curves = "tensorboard,wandb"
    assert digest(config) == digest(Config())
    assert writers_of("") == []


@pytest.mark.heavy
def test_a_run_writes_the_curves_of_its_metrics_log(tmp_path, data_directory):
    pytest.importorskip("tensorboardX")
    config = tiny.get_config()
    config.data.directory, config.steps = data_directory, 20
    train(config, tmp_path)  # without curves
    config.steps, config.run.curves = 40, "tensorboard"
    train(config, tmp_path, allow_config_change=True)
    records = [json.loads(one) for one in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    found = read(tmp_path)
    for name in ("reconstruction", "encoder_gradient_norm", "validation_pixel_error"):
        tag = name.replace("validation_", "validation/")
        assert found[tag] == [(one["step"], np.float32(one[name])) for one in records]
        assert [step for step, _ in found[tag]] == [10, 20, 30, 40]
    assert "seconds" not in found and "step" not in found


@pytest.mark.slow
def test_a_process_that_is_killed_twice(tmp_path, data_directory):
    pytest.importorskip("tensorboardX")
    command = [
        "-m", "iae_jax.launch", "--config=tests/tiny.py", f"--workdir={tmp_path}",
        f"--config.data.directory={data_directory}", "--config.run.curves=tensorboard",
        "--config.steps=100000", "--allow_config_change", "--config.run.checkpoint_steps=30",
    ]  # fmt: skip
    reached = 0
    for _ in range(2):
        reached += 50
        with started([command], 1) as running:
            wait_for(running, tmp_path, reached)
    last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    end = 30 * (last // 30) + 60
    final = [word.replace("100000", str(end)) for word in command]
    with started([final], 1) as (process,):
        assert process.wait(240) == 0, process.stderr.read()
    found = read(tmp_path)
    assert all([step for step, _ in points] == list(range(10, end + 1, 10)) for points in
               found.values()) and len(found) > 10  # fmt: skip
