"""The time to quality: minutes of training until held-out images say that a model is good.

    pip install '.[bench]'                       # pythae, for its side of the VAE; psutil
    python -m iae_jax.data.prepare mnist
    python -m experiments.time_to_quality

The four trainings are those of this project's experiments, with their settings; only the VAE is
this file's, since that of `mnist_reconstruction` reads grey images, whose bound is near 100 nats.
Every round trains with another seed. About twenty checkpoints, at regular steps, are kept and
evaluated after the training, on all images of the validation split; no value is of the test split.
The time is that of the calls of steps, as metrics.jsonl has it: with the compilation, which is also
recorded apart, and without reading the data set, checkpoints, figures and evaluations. The target
is met where the line between two checkpoints crosses it first, or at the first checkpoint if that
one meets it, which is then a bound. A work that a round does not bring to its target has no
`minutes_to_quality`, and a share below 1 in `reached`.

pythae's side of the VAE (`dense_vae.py`) has the same networks, batches, rates and binarized images
in its trainer's own epochs; each side has its own initialization and order. Its bound is its own
loss on the same validation images.

Expected: on 2 idle CPU cores, a round of `clusters_10` takes 12 minutes, of `reconstruction_20` 15,
of `vae_20` 27 and of `labels_100` 36.
"""

import argparse
import importlib.util
import itertools
import json
import math
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments import mnist_clustering, mnist_reconstruction, semisupervised, timing
from experiments.learning_curve import Curve, Work, crossing
from experiments.timing import Row, Timings, device_kind, say
from iae_jax.errors import InputError
from iae_jax.metrics import clusters, codes, elbo, label_agreement
from iae_jax.metrics.extractor import Extractor
from iae_jax.metrics.measurement import Trained
from iae_jax.metrics.metric import Metric
from iae_jax.metrics.stream import stream
from iae_jax.objectives.weights import at
from iae_jax.records.record import Record
from iae_jax.records.references import Headline, Reference
from iae_jax.runs.config import Config
from iae_jax.runs.data_sets import load_split, open_split
from iae_jax.runs.evaluation import extractor_of
from iae_jax.runs.train import train
from iae_jax.runs.trained import game_of, restored

CHECKPOINTS = 20  # of a training
MAX_SECONDS = 4 * 3600  # of one training with its evaluations
PEER = "pythae"
BATCH, RATE = 100, 1e-3  # of the VAE


def vae() -> Config:
    """A VAE of 20 components with dense networks, on MNIST binarized anew whenever it is read."""
    config = mnist_reconstruction.get_config("vae_20")
    config.steps, config.batch_size, config.ema = 60_000, BATCH, 0.0
    config.data.name = "iae_jax.presets.aae_priors:binarized"
    for player in (config.encoder, config.generator):
        player.network.kind, player.network.hidden, player.network.depth = "mlp", 512, 2
        # The defaults of PyTorch's Adam, without a schedule.
        player.optimizer.rate, player.optimizer.decay = RATE, "constant"
        player.optimizer.b1, player.optimizer.b2 = 0.9, 0.999
    return config


WORKS = {
    "reconstruction_20": Work(
        partial(mnist_reconstruction.get_config, "deterministic_20"),
        "label_agreement",
        0.97,
        True,
        "20D: label agreement",
    ),
    "clusters_10": Work(
        partial(mnist_clustering.get_config, "k10"),
        "cluster_accuracy",
        0.98,
        True,
        "10 clusters: accuracy",
    ),
    "labels_100": Work(
        partial(semisupervised.get_config, "iae_best/mnist/100"),
        "label_error",
        1.2,
        False,
        "100 labels: error in %",
    ),
    "vae_20": Work(vae, "negative_elbo", 90.0, False, "VAE of 20D: -ELBO in nats"),
}
VARIANTS = (*(f"{name}/ours" for name in WORKS), f"vae_20/{PEER}")  # of the records
# What is not reached has no minutes; it must not go unsaid.
REFERENCES = {"reached": Reference(1.0, "higher", "aim: in every round")}
SHOWN = ("minutes_to_quality", "reached", "best_quality", "compile_seconds", "minutes_ratio")
HEADLINE = tuple(
    Headline(f"minutes to {title}", "minutes_to_quality", variant)
    for variant, title in (
        ("reconstruction_20/ours", "97 % label agreement, 20D"),
        ("clusters_10/ours", "98 % accuracy of 10 clusters"),
        ("labels_100/ours", "1.2 % error from 100 labels"),
        ("vae_20/ours", "a bound of 90 nats"),
        (f"vae_20/{PEER}", "a bound of 90 nats"),
    )
)


def config_of(work: Work, steps: int, seed: int) -> Config:
    """The config of a training that keeps its checkpoints. steps: 0 for its own number."""
    config = work.config()
    config.seed, config.steps = seed, steps or config.steps
    run, every = config.run, max(1, round(config.steps / CHECKPOINTS))
    # Calls of one length compile once.
    run.steps_per_call = min(run.steps_per_call, every)
    calls = round(every / run.steps_per_call)
    run.checkpoint_steps = run.log_steps = calls * run.steps_per_call
    run.validate_steps = run.figure_steps = config.steps
    run.keep = config.steps
    return config


def ours(work: Work, config: Config, folder: Path) -> Curve:
    """Trains in an empty folder, then measures every checkpoint."""
    summary = train(config, folder)
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    seconds: dict[int, float] = {line["step"]: line["seconds"] for line in lines}
    game, held_out = game_of(config, folder), load_split(config, "validation")
    extractor = _extractor(work, config)
    values = []
    for step in seconds:
        state = restored(game, config, folder, str(step))[0].state
        scale = at(game.local_scale, jnp.float32(step))
        # All noise is that of seed 0, so that checkpoints differ in their parameters alone.
        model = Trained(game, state.ema, *held_out, "validation", 0, scale, extractor)
        values.append(quality(work, model))
    return Curve(
        list(seconds),
        list(seconds.values()),
        values,
        len(held_out.x),
        summary.compile_seconds,
        device_kind(),
    )


def _extractor(work: Work, config: Config) -> Extractor | None:
    """The feature classifier, where the quality is read from it."""
    if work.metric not in {metric.name for metric in label_agreement.METRICS}:
        return None
    source = open_split(config, "train")
    return extractor_of(config, source, source.read(np.arange(len(source))))


def quality(work: Work, model: Trained) -> float:
    """The value of the work's metric.

    Raises:
      InputError: the model or its data have no such metric, or it is not finite.
    """
    known: tuple[Metric, ...] = (*label_agreement.METRICS, *elbo.METRICS, codes.LABEL_ERROR)
    metrics = [metric for metric in known if metric.name == work.metric] or [codes.CATEGORY]
    streamed = stream(model, metrics)
    found = {name: float(moments.mean[0]) for name, moments in streamed.moments.items()}
    for one in clusters.agreement_with_labels(model._replace(streamed=streamed)):
        found[one.name] = one.value
    if work.metric not in found:
        raise InputError(f"this model has no {work.metric} on these images")
    if not math.isfinite(found[work.metric]):
        raise InputError(f"{work.metric} is not finite: choose other seeds")
    return found[work.metric]


def measure(words: list[str], seconds: float) -> dict[str, Any]:
    """One training of one side: words are the side, the work, the steps and the seed."""
    side, name, steps, seed = words[0], words[1], int(words[2]), int(words[3])
    config = config_of(WORKS[name], steps, seed)
    if side == PEER:
        from experiments import dense_vae

        return Curve(*dense_vae.train(config, CHECKPOINTS), 0.0, "cpu")._asdict()
    with tempfile.TemporaryDirectory() as folder:
        return ours(WORKS[name], config, Path(folder))._asdict()


Curves = dict[tuple[str, str], list[Curve]]  # (work, side) -> one a round


def rows_of(found: Curves) -> list[Row]:
    """The rows of what was measured; a curve has a row for each checkpoint."""
    rows = []
    minutes: dict[tuple[str, str], list[float]] = {}
    for (name, side), curves in found.items():
        work, n, variant = WORKS[name], curves[0].n, f"{name}/{side}"
        times = [crossing(one.seconds, one.values, work) for one in curves]
        reached = [one / 60 for one in times if one is not None]
        if len(reached) == len(curves):
            minutes[name, side] = reached
            rows.append(Row("minutes_to_quality", variant, reached, n))
        rows.append(Row("reached", variant, [len(reached) / len(curves)], n))
        best = max if work.higher else min
        rows.append(Row("best_quality", variant, [best(one.values) for one in curves], n))
        rows.append(Row("training_minutes", variant, [one.seconds[-1] / 60 for one in curves], n))
        if side == "ours":
            compiled = [one.compile_seconds for one in curves]
            rows.append(Row("compile_seconds", variant, compiled, n))
        for i, step in enumerate(curves[0].steps):
            at_step = f"{variant}/{step}"
            rows.append(Row("quality", at_step, [one.values[i] for one in curves], n))
            rows.append(Row("minutes", at_step, [one.seconds[i] / 60 for one in curves], n))
    for (name, side), theirs in minutes.items():
        if side != "ours" and (own := minutes.get((name, "ours"))):
            ratio = statistics.median(theirs) / statistics.median(own)
            rows.append(Row("minutes_ratio", f"{name}/{side}", [ratio], found[name, side][0].n))
    return rows


def draw(path: Path, records: list[Record]) -> None:
    """Quality on held-out images over minutes of training, for each work: medians of the rounds,
    and their range as a shade. Dotted: the target.
    """
    from iae_jax.files.canvas import MODELS
    from iae_jax.files.figures import band, panels

    # From records, so that works measured by earlier commands are in it.
    values = {(one["metric"], one["variant"]): one["values"] for one in records}
    steps: dict[str, dict[str, list[int]]] = {}  # of each side of each work
    for metric, variant in values:
        if metric == "quality":
            name, side, step = variant.split("/")
            steps.setdefault(name, {}).setdefault(side, []).append(int(step))
    names = [name for name in WORKS if name in steps]
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    with panels(path, rows, columns, [WORKS[name].title for name in names]) as axes:
        for ax, name in zip(itertools.chain(*axes), names, strict=False):
            for side, of_side in steps[name].items():
                minutes, quality = (
                    np.array([values[metric, f"{name}/{side}/{step}"] for step in sorted(of_side)])
                    for metric in ("minutes", "quality")
                )
                spread = np.quantile(quality, (0.5, 0, 1), axis=1)
                middle, color = np.median(minutes, axis=1), MODELS[side]
                band(ax, middle, *spread, ms=3, color=color, label=side)
            ax.axhline(WORKS[name].target, ls=":", color="black")
            ax.set(xlabel="minutes", xlim=(0, None))
            if len(steps[name]) > 1:
                ax.legend(frameon=False)


def run(options: argparse.Namespace) -> Timings:
    wanted = options.works.split(",")
    for name in wanted:
        if name not in WORKS:
            raise InputError(f"--works are some of {', '.join(WORKS)}, not {name!r}")
    if options.steps < 0:
        raise InputError("--steps is 1 or more, or 0 for each work's own number")
    sides = {name: ["ours", PEER] if name == "vae_20" else ["ours"] for name in wanted}
    if "vae_20" in wanted and importlib.util.find_spec(PEER) is None:
        raise InputError(f"{PEER} is not installed: pip install '.[bench]', or leave vae_20 out")
    timing.check_idle(options.busy_allowed)
    found: Curves = {}
    for seed in range(options.rounds):
        for name in wanted:
            for side in sides[name]:
                with tempfile.TemporaryDirectory() as programs:
                    words = (side, name, str(options.steps), str(seed))
                    one = timing.child(
                        "experiments.time_to_quality",
                        *words,
                        compiled=Path(programs),
                        limit_seconds=MAX_SECONDS,
                    )
                busy = one.pop("busy")
                curve = Curve(**one)
                found.setdefault((name, side), []).append(curve)
                when = crossing(curve.seconds, curve.values, WORKS[name])
                text = "not reached" if when is None else f"reached after {when / 60:.2f} min"
                say(f"round {seed}  {name}/{side}  {text}; {100 * busy:.0f} % busy before")
    return Timings(rows_of(found), found[wanted[0], "ours"][0].device)


def main(arguments: list[str] | None = None) -> int:
    parser = timing.parser("experiments.time_to_quality", rounds=3)
    parser.add_argument("--works", default=",".join(WORKS), help="separated by commas (all)")
    parser.add_argument("--steps", type=int, default=0, help="of each training (its own number)")
    return timing.main(parser, measure, run, draw, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
