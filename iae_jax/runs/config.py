"""The config: a run as data, typed dataclasses, of which `build.build` makes a game.

Every field can be set on the command line: `--config.generator.noise=100`. A field that does not
exist and a value of another type are refused. `run` and `metrics` hold what does not change the
result (how often to log, save, draw; what to measure); all else is part of the run's identity. A
field called `kind`, and those that say so, also name code of your own: see `iae_jax.kinds`.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from iae_jax.game.optimizers import Optimizer
from iae_jax.objectives.auxiliary import (
    CodeInformation,
    ConditionalEntropy,
    LabelCrossEntropy,
    MarginalKL,
    SleepLoss,
)
from iae_jax.objectives.code_distances import CramerWold, SlicedWasserstein
from iae_jax.objectives.consistency import Consistency
from iae_jax.objectives.prior_fit import PriorFit
from iae_jax.sampling.augmentation import Affine, DiffAugment


@dataclass
class Data:
    """The data set and its splits.

    name: digits, mnist, another set that TFDS has prepared, npz:PATH, images:PATH for a folder or
    zip of image files, planar:NAME, or MODULE:NAME, a function (split) -> Source. directory: where
    TFDS keeps its sets ("" is its default). label_pattern: a regular expression whose group finds
    labels in the paths of image files ("": a folder is a class). shuffled: False takes slices of
    image files with labels in the order of their paths, for sets where neighbours are alike. The
    splits are TFDS slicing strings; choices are made on `validation`, `test` is only reported.
    labels_per_class: how many labels of each class of `train` may be read, -1 for all; which ones
    depends on `draw` (-1: the run's seed) alone. also: more sets in each batch, "NAME=SET" with a
    SET as in `name`, shuffled independently, with the same splits.
    """

    name: str = "digits"
    directory: str = ""
    label_pattern: str = ""
    shuffled: bool = True
    train: str = "train[:1350]"
    validation: str = "train[1350:]"
    test: str = "test"
    labels_per_class: int = 0
    draw: int = -1
    also: tuple[str, ...] = ()


@dataclass
class Code:
    """z: a vector of `size` components, one of `categories` categories, or both. relaxed: the
    generator reads q(y|x) itself in place of a sampled category."""

    size: int = 10
    categories: int = 0
    relaxed: bool = False


@dataclass
class Prior:
    """p(z). kind: of the vector, gaussian, petals, swiss_roll, mixture, flow (see sampling.priors)
    or MODULE:NAME, a function (size) -> Prior. category: uniform or learned. conditional: a vector
    has a mean for each category, learned. What learns does so in the generator's player, at `rate`
    times its rate, from codes; adversarial: also from discriminators of its samples."""

    kind: str = "gaussian"
    category: str = "uniform"
    conditional: bool = False
    adversarial: bool = False
    rate: float = 1.0


@dataclass
class Network:
    """See networks.Layout."""

    kind: str = "conv"
    width: int = 32
    hidden: int = 256
    depth: int = 2
    precision: str = "float32"


@dataclass
class Encoder:
    """q(z|x). kind: deterministic, gaussian, implicit with `noise` components of noise, or
    MODULE:NAME, a function (config, shape) -> Encoder. In training, pixel_noise is the SD of what
    is added to each value of x, and dropout that of a factor of each channel of every layer, where
    the encoder learns from labels, changed images or generated ones; a code that is read by others
    is never perturbed."""

    kind: str = "deterministic"
    noise: int = 0
    pixel_noise: float = 0.0
    dropout: float = 0.0
    network: Network = field(default_factory=Network)
    optimizer: Optimizer = field(default_factory=Optimizer)


@dataclass
class Generator:
    """p(x|z). kind: network, or MODULE:NAME, a function (config, shape) -> Generator. noise: size
    of the local code n. noise_at: "input" or "depth". The scale of n is 0 until step
    `ramp_start_steps`, then rises to 1 in `ramp_steps` (0: it is 1 throughout): a generator that
    meets n at full scale before it has learned to read z ignores z. likelihood: none, bernoulli, or
    gaussian with SD `deviation`."""

    kind: str = "network"
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

    kind: see objectives.grid. weight: of the whole term, for encoder and generator. scoring: see
    objectives.scoring, or MODULE:NAME, a Scoring. r1: weight of the penalty, 0 for none, every
    `r1_interval_steps`, on the "numerator", the "denominator" or "both"; from `r1_fall_from` to
    `r1_fall_until` (shares of the run) it goes geometrically to `r1_final` times that (1: it
    stays). numerator_weight, denominator_weight: of whoever samples that side. labelled_share: of
    the pairs (x, z) in the numerator, the share that are labelled images with their labels.
    discriminator: network, quadratic (adds |z|^2 / 2 to the logit), or MODULE:NAME, a function
    (config, shape, reads) -> Discriminator.
    """

    kind: str = "none"
    weight: float = 1.0
    scoring: str = "non_saturating"
    r1: float = 1.0
    r1_final: float = 1.0
    r1_fall_from: float = 0.0
    r1_fall_until: float = 1.0
    r1_interval_steps: int = 8
    r1_on: str = "numerator"
    numerator_weight: float = 1.0
    denominator_weight: float = 1.0
    labelled_share: float = 0.0
    discriminator: str = "network"
    network: Network = field(default_factory=Network)
    optimizer: Optimizer = field(default_factory=Optimizer)


@dataclass
class Auxiliary:
    """Losses beside the two terms, see `objectives`. Each is absent while its weight is 0. others:
    MODULE:NAME or MODULE:NAME(field=value), losses of your own."""

    marginal: MarginalKL = field(default_factory=MarginalKL)
    entropy: ConditionalEntropy = field(default_factory=ConditionalEntropy)
    consistency: Consistency = field(default_factory=Consistency)
    code_information: CodeInformation = field(default_factory=CodeInformation)
    sleep: SleepLoss = field(default_factory=SleepLoss)
    labels: LabelCrossEntropy = field(default_factory=LabelCrossEntropy)
    prior_fit: PriorFit = field(default_factory=PriorFit)
    cramer_wold: CramerWold = field(default_factory=CramerWold)
    sliced_wasserstein: SlicedWasserstein = field(default_factory=SlicedWasserstein)
    others: tuple[str, ...] = ()

    @property
    def built_in(self) -> dict[str, Any]:
        """The losses by their field, present or not."""
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(self)[:-1]}


@dataclass
class Run:
    """How often, in steps; nothing here changes the result, but for the rounding on other `devices`
    and in other `microbatches`.

    devices: 0 is all that this process has. microbatches: into how many a device cuts its share of
    the batch, one after the other, if its memory does not hold the whole. checkpoints: where this
    run's are, if not in its workdir: a path, or gs://BUCKET/FOLDER. keep: how many of the newest
    stay, beside the best. resident_megabytes: a larger set is streamed instead of kept on the
    device. classifier: train (once) a feature classifier on the labelled training set, for the
    measures that need one. cache: where classifiers are kept ("" is ~/.cache/iae_jax). seeds: how
    many seeds from `seed` on are trained at once.
    """

    steps_per_call: int = 100
    log_steps: int = 100
    validate_steps: int = 500
    figure_steps: int = 500
    checkpoint_steps: int = 500
    checkpoints: str = ""
    keep: int = 2
    microbatches: int = 1
    devices: int = 0
    resident_megabytes: int = 1024
    classifier: bool = True
    cache: str = ""
    seeds: int = 1


@dataclass
class Config:
    """The default is the IAE of the digits; experiments/ has the others. turns: simultaneous,
    alternating, two_to_one or four_to_one (moves of the discriminators for each of encoder and
    generator). ema: decay of the averaged parameters that evaluation reads. metrics: MODULE:NAME,
    measures of your own, see metrics.evaluate."""

    seed: int = 0
    steps: int = 3000
    batch_size: int = 64
    turns: str = "alternating"
    ema: float = 0.999
    data: Data = field(default_factory=Data)
    code: Code = field(default_factory=Code)
    prior: Prior = field(default_factory=Prior)
    encoder: Encoder = field(default_factory=Encoder)
    generator: Generator = field(default_factory=Generator)
    reconstruction: Term = field(default_factory=lambda: Term(kind="joint_reconstruction"))
    regularization: Term = field(
        default_factory=lambda: Term(kind="marginal_code", r1_on="denominator")
    )
    auxiliary: Auxiliary = field(default_factory=Auxiliary)
    affine: Affine = field(default_factory=Affine)
    diffaugment: DiffAugment = field(default_factory=DiffAugment)
    metrics: tuple[str, ...] = ()
    run: Run = field(default_factory=Run)

    @property
    def players(self) -> tuple[Encoder | Generator | Term, ...]:
        """What has a network and an optimizer, in the order of `types.Players`."""
        return self.encoder, self.generator, self.reconstruction, self.regularization


def to_dict(config: Config) -> dict[str, Any]:
    """The config as JSON-able data."""
    return dataclasses.asdict(config)


def identity(config: Config) -> dict[str, Any]:
    """What the result depends on: all but `run`, `metrics` and where TFDS keeps its sets. A file or
    folder of images is named by its path, so that one that is moved is another set."""
    plain = to_dict(config)
    del plain["run"], plain["metrics"], plain["data"]["directory"]
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
            for inner, changed in changes(old[name], value):
                yield f"{name}.{inner}", changed
        elif value != old[name]:
            yield name, value


def difference(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What changed from one nested config to another: "optimizer.rate: 0.0002 -> 0.0004".
    Compared as JSON holds values (a tuple equals a list): a config equals its saved self."""
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
