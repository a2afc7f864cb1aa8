"""A run as data: typed dataclasses; `assembly.build` makes a game of one.

Every field can be set on the command line: `--config.generator.noise=100`. A field that is not
there and a value of another type are refused. `run` holds what does not change the result (how
often to log, save, draw); all else is part of the run's identity.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from iae_jax.sampling import augmentation


@dataclass
class Data:
    """name: digits, mnist, another set that TFDS has prepared, npz:PATH, or images:PATH for a
    folder or zip of image files. directory: where TFDS keeps its sets ("" is its default).
    label_pattern: a regular expression whose group finds labels in the paths of image files ("": a
    folder is a class). shuffled: False takes slices of image files with labels in the order of
    their paths, for sets where neighbours are alike. The splits are TFDS slicing strings; choices
    are made on `validation`, `test` is only reported. labels_per_class: how many labels of each
    class of `train` may be read, -1 for all; which ones depends on `draw` (-1: the run's seed)
    alone. Images with them lie on the device, whatever `run.resident_megabytes` is."""

    name: str = "digits"
    directory: str = ""
    label_pattern: str = ""
    shuffled: bool = True
    train: str = "train[:1350]"
    validation: str = "train[1350:]"
    test: str = "test"
    labels_per_class: int = 0
    draw: int = -1


@dataclass
class Code:
    """z: a vector of `size` components, one of `categories` categories, or both.

    Weights of what is charged beside the objective's two terms. marginal_weight: of what is known
    of KL(q(z) || p(z)) without a discriminator: all of it for a category, mean and covariance for a
    vector. entropy_weight: of H(y|x). consistency_weight: of the distance between the codes of x
    and of a random affine change of it, by the averaged encoder if `teacher`. recovery_weight: of
    -log q(z|x_hat), what it charges that z cannot be read off what was generated from it.
    flipped_weight: of -log q(z|x) for generated x, of which the encoder learns from step
    `flipped_start_steps` on. label_weight: of the cross entropy of labels, of images that are
    changed as for consistency, but for `affine.worst`, if `change_labelled`. In the first
    `marginal_start_steps` and `label_start_steps` these two weights are `marginal_start_weight` and
    `label_start_weight`: even clusters are needed to find classes, which need not be even, and
    labels to name them, which are too few to bound them. labelled_share: of the pairs (x, z) that
    the reconstruction's discriminator is shown, how much are of labelled images and their labels.
    """

    size: int = 10
    categories: int = 0
    marginal_weight: float = 0.0
    marginal_start_weight: float = 0.0
    marginal_start_steps: int = 0
    entropy_weight: float = 0.0
    consistency_weight: float = 0.0
    recovery_weight: float = 0.0
    flipped_weight: float = 0.0
    flipped_start_steps: int = 0
    label_weight: float = 0.0
    label_start_weight: float = 0.0
    label_start_steps: int = 0
    change_labelled: bool = False
    labelled_share: float = 0.0
    teacher: bool = False


@dataclass
class Network:
    """See networks.Layout."""

    kind: str = "conv"
    width: int = 32
    hidden: int = 256
    depth: int = 2
    precision: str = "float32"


@dataclass
class Optimizer:
    """kind: adam or sgd. rate: per step, to which it rises in a line in the first `warmup_steps`.
    decay: "constant", or "cosine" down to `final` times the rate at the last step. clip: the
    largest norm of the player's gradient, 0 for any."""

    kind: str = "adam"
    rate: float = 2e-4
    b1: float = 0.5
    b2: float = 0.99
    decay: str = "cosine"
    final: float = 0.05
    warmup_steps: int = 0
    clip: float = 0.0


@dataclass
class Encoder:
    """q(z|x). kind: deterministic, gaussian, or implicit with `noise` components of noise. While
    training, `pixel_noise` is the deviation of what is added to each value of x, and `dropout` that
    of what multiplies each channel of every layer, where the encoder is taught by labels, changed
    images or generated ones; a code that is read is never perturbed."""

    kind: str = "deterministic"
    noise: int = 0
    pixel_noise: float = 0.0
    dropout: float = 0.0
    network: Network = field(default_factory=Network)
    optimizer: Optimizer = field(default_factory=Optimizer)


@dataclass
class Generator:
    """p(x|z). noise: size of the local code n. noise_at: "input" or "depth". The scale of n is 0
    until step `ramp_start_steps`, then rises to 1 in `ramp_steps` (0: it is 1 throughout): a
    generator that meets n at full scale before it has learned to read z ignores z.
    likelihood: none, bernoulli, or gaussian with standard deviation `deviation`."""

    noise: int = 0
    noise_at: str = "input"
    ramp_start_steps: int = 0
    ramp_steps: int = 0
    likelihood: str = "none"
    deviation: float = 0.1
    network: Network = field(default_factory=Network)
    optimizer: Optimizer = field(default_factory=Optimizer)


@dataclass
class Term:
    """One side of the objective and its discriminator.

    kind: see objectives.RECONSTRUCTIONS and REGULARIZATIONS. weight: of the whole term (for
    encoder and generator). scoring: see scoring.SCORINGS. r1: weight of the penalty, 0 for none,
    every `r1_interval_steps`, on the "numerator" or the "denominator"; it goes geometrically to
    `r1_final` times that at the last step (1: it stays). numerator_weight, denominator_weight: of
    whoever samples that side.
    """

    kind: str = "none"
    weight: float = 1.0
    scoring: str = "non_saturating"
    r1: float = 1.0
    r1_final: float = 1.0
    r1_interval_steps: int = 8
    r1_on: str = "numerator"
    numerator_weight: float = 1.0
    denominator_weight: float = 1.0
    network: Network = field(default_factory=Network)
    optimizer: Optimizer = field(default_factory=Optimizer)


@dataclass
class Run:
    """How often, in steps; nothing here changes the result, but for what is rounded otherwise on
    other `devices` and in other `pieces`.

    devices: 0 is all that this process has. pieces: in how many a device computes its share of the
    gradient, one after the other, for a batch that its memory does not hold. checkpoints: where
    this run's are, if not in its workdir: a path, or gs://BUCKET/FOLDER. keep: how many of the
    newest stay, beside the best. resident_megabytes: a larger set is streamed instead of kept on
    the device. judge: train (once) a classifier on the labelled training set, for the measures that
    need one. cache: where judges are kept ("" is ~/.cache/iae_jax).
    """

    steps_per_call: int = 100
    log_steps: int = 100
    validate_steps: int = 500
    figure_steps: int = 500
    checkpoint_steps: int = 500
    checkpoints: str = ""
    keep: int = 2
    pieces: int = 1
    devices: int = 0
    resident_megabytes: int = 1024
    judge: bool = True
    cache: str = ""


@dataclass
class Config:
    """The default is the IAE of the digits; experiments/ has the others."""

    seed: int = 0
    steps: int = 3000
    batch_size: int = 64
    turns: str = "alternating"
    average: float = 0.999
    data: Data = field(default_factory=Data)
    code: Code = field(default_factory=Code)
    encoder: Encoder = field(default_factory=Encoder)
    generator: Generator = field(default_factory=Generator)
    reconstruction: Term = field(default_factory=lambda: Term(kind="joint_reconstruction"))
    regularization: Term = field(
        default_factory=lambda: Term(kind="marginal_code", r1_on="denominator")
    )
    affine: augmentation.Affine = field(default_factory=augmentation.Affine)
    diffaugment: augmentation.DiffAugment = field(default_factory=augmentation.DiffAugment)
    run: Run = field(default_factory=Run)


def to_dict(config: Config) -> dict[str, Any]:
    """The config as JSON-able data."""
    return dataclasses.asdict(config)


def identity(config: Config) -> dict[str, Any]:
    """What the result depends on: all but `run` and where TFDS keeps its sets. A file or folder of
    images is named by its path, so that one that is moved is another set."""
    plain = to_dict(config)
    del plain["run"], plain["data"]["directory"]
    return plain


def completed(saved: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """A saved config with the fields that were added since, at their default."""
    return saved | {
        name: completed(saved[name], value) if isinstance(saved.get(name), dict) else value
        for name, value in defaults.items()
        if name not in saved or isinstance(value, dict)
    }


def digest(config: Config) -> str:
    """A short hash of the identity, for records."""
    return hash_of(identity(Config()), identity(config))


def changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(dotted field, new value) of each field that differs."""
    for name, value in new.items():
        if isinstance(value, dict):
            for field, inner in changes(old[name], value):
                yield f"{name}.{field}", inner
        elif value != old[name]:
            yield name, value


def difference(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What changed from one nested config to another: "optimizer.rate: 0.0002 -> 0.0004".

    Values are compared as JSON holds them (a tuple equals a list), so that a config equals its
    saved self.
    """
    lines = []
    old, new = json.loads(json.dumps(old)), json.loads(json.dumps(new))
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            lines.append(f"{name}: {old[name]!r} -> (removed)")
        elif name not in old:
            lines.append(f"{name}: (added) -> {new[name]!r}")
        elif isinstance(old[name], dict) and isinstance(new[name], dict):
            lines += [f"{name}.{line}" for line in difference(old[name], new[name])]
        elif old[name] != new[name]:
            lines.append(f"{name}: {old[name]!r} -> {new[name]!r}")
    return lines


def hash_of(defaults: dict[str, Any], plain: dict[str, Any]) -> str:
    """A short hash of the fields that are not at their default, so that a field that is added to
    the config later leaves the hash of a run as it was. What a default means must not change."""
    fields = dict(changes(defaults, plain))
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]
