"""The config: a run as data, typed dataclasses, of which `build.build` makes a game.

Every field can be set on the command line: `--config.generator.noise=100`. A field that does not
exist and a value of another type are refused. `run` and `metrics` hold what does not change the
result (how often to log, save, draw; what to measure); all else is part of the run's identity. A
field called `kind`, and those that say so, also name code of your own: see `iae_jax.kinds`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iae_jax.data.limits import Limits
from iae_jax.data.sources import without_place
from iae_jax.errors import InputError
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
from iae_jax.runs.config_changes import hash_of
from iae_jax.runs.data_config import Data, with_splits
from iae_jax.sampling.augmentation import Affine, DiffAugment
from iae_jax.types import Section


@dataclass
class Code(Section):
    """z, a vector, a category or both. size: components of the vector, 0 for none. categories: how
    many there are, 0 for none. relaxed: generator and discriminators read q(y|x) itself in place
    of a sampled category."""

    size: int = 10
    categories: int = 0
    relaxed: bool = False


@dataclass
class Prior(Section):
    """p(z). kind: of the vector, gaussian, petals, swiss_roll, mixture, flow (see sampling.priors)
    or MODULE:NAME, a function (size) -> Prior. category: uniform or learned. conditional: a vector
    has a mean for each category, learned. adversarial: what learns does so from discriminators of
    its samples too, beside the codes. rate: of what learns, over the generator's."""

    kind: str = "gaussian"
    category: str = "uniform"
    conditional: bool = False
    adversarial: bool = False
    rate: float = 1.0


@dataclass
class Network(Section):
    """A network, see networks.Layout. kind: mlp, conv or residual; of the encoder also weight_norm
    (an mlp) or free_weight_norm. width: channels of the first convolution, or units of the first
    layer of weight_norm. hidden: features of the dense layers. depth: dense layers of an mlp.
    precision: float32 or bfloat16, of the computation; parameters and what a network returns are
    float32."""

    kind: str = "conv"
    width: int = 32
    hidden: int = 256
    depth: int = 2
    precision: str = "float32"


@dataclass
class Encoder(Section):
    """q(z|x). kind: deterministic, gaussian, implicit with `noise` components of noise; flow,
    hamiltonian or langevin, of which each begins with a gaussian (see networks); or MODULE:NAME, a
    function (config, shape) -> Encoder. noise: components of noise that an implicit
    encoder reads. pixel_noise: SD of what is added to each value of x in training, where the
    encoder learns from labels, changed images or generated ones; a code that is read by others is
    never perturbed. dropout: SD of a factor of each channel of every layer, likewise. unit_noise:
    instead SD of what is added to each unit of every layer, which has a mean square of 1."""

    kind: str = "deterministic"
    noise: int = 0
    pixel_noise: float = 0.0
    dropout: float = 0.0
    unit_noise: float = 0.0
    network: Network = field(default_factory=Network)
    optimizer: Optimizer = field(default_factory=Optimizer)


@dataclass
class Generator(Section):
    """p(x|z). kind: network; made or pixelcnn, autoregressive (see networks.autoregressive); or
    MODULE:NAME, a function (config, shape) -> Generator. noise: size of the local code n. noise_at:
    "input" or "depth". ramp_start_steps: until this step the scale of n is 0: a generator that
    meets n at full scale before it has learned to read z ignores z. ramp_steps: in so many steps
    the scale then rises to 1; with both 0 it is 1 throughout. likelihood: none, bernoulli or
    gaussian; of an autoregressive generator bernoulli, or logistic of 256 levels. deviation: SD of
    a gaussian likelihood."""

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
class Term(Section):
    """One side of the objective and its discriminator.

    kind: see objectives.grid. weight: of the whole term, for encoder and generator. ramp_from: over
    weight, what it is in the first steps. ramp_start_steps: how many these are. ramp_steps: in how
    many steps it then rises to weight (both 0: it is that throughout). scoring: see
    objectives.scoring, or MODULE:NAME, a Scoring. r1: weight of the gradient penalty, 0 for none.
    r1_final: over r1, where the weight goes geometrically (1: it stays). r1_fall_from,
    r1_fall_until: when it does, as shares of the run. r1_interval_steps: between two penalties.
    r1_on: the "numerator", the "denominator" or "both". numerator_weight, denominator_weight: of
    whoever samples that side. labelled_share: of the pairs (x, z) in the numerator, the share that
    are labelled images with their labels.
    discriminator: network, quadratic (adds |z|^2 / 2 to the logit), or MODULE:NAME, a function
    (config, shape, reads) -> Discriminator.
    """

    kind: str = "none"
    weight: float = 1.0
    ramp_from: float = 0.0
    ramp_start_steps: int = 0
    ramp_steps: int = 0
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
class Auxiliary(Section):
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
class Run(Section):
    """How often, in steps; nothing here changes the result, but for the rounding on other `devices`
    and in other `microbatches`.

    steps_per_call: in one call of a compiled program. log_steps: between two lines of
    metrics.jsonl. validate_steps: between two measures of held-out images. figure_steps: between
    two pictures. checkpoint_steps: between two checkpoints, a multiple of log_steps.
    devices: 0 is all that this process has. microbatches: into how many a device cuts its share of
    the batch, one after the other, if its memory does not hold the whole. checkpoints: where this
    run's are, if not in its workdir: a path, or gs://BUCKET/FOLDER. curves: where they are drawn
    beside the workdir's figures: tensorboard, wandb or both, separated by a comma. keep: how many
    of the newest checkpoints stay, beside the best. resident_megabytes: a larger set is streamed
    instead of kept on the device. classifier: train (once) a feature classifier on the labelled
    training set, for the measures that need one. cache: the folder of classifiers and of
    compiled programs, which are run: never one that somebody else has given ("" is
    ~/.cache/iae_jax). seeds: how many seeds from `seed` on are trained at once.
    """

    steps_per_call: int = 100
    log_steps: int = 100
    validate_steps: int = 500
    figure_steps: int = 500
    checkpoint_steps: int = 500
    checkpoints: str = ""
    curves: str = ""
    keep: int = 2
    microbatches: int = 1
    devices: int = 0
    resident_megabytes: int = 1024
    classifier: bool = True
    cache: str = ""
    seeds: int = 1
    limits: Limits = field(default_factory=Limits)


@dataclass
class Config(Section):
    """A run. The default is an IAE of the digits; `iae_jax.presets` has others. seed: of everything
    random. steps: how long the run is. batch_size: images in a step, of all devices together.
    turns: simultaneous, alternating, two_to_one or four_to_one (moves of the discriminators for
    each of encoder and generator), or phases: reconstruction, discriminators, the encoder by the
    regularization (as regularization.optimizer says) and by the labels, each with moments of its
    own. ema: decay of the averaged parameters that evaluation reads.
    metrics: MODULE:NAME, measures of your own, see metrics.evaluate. reconstruction: the row of the
    grid, with its discriminator. regularization: the column."""

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
    """The config as JSON-able data, with the splits that "" means as far as the config says it."""
    return dataclasses.asdict(dataclasses.replace(config, data=with_splits(config.data)))


def from_dict(plain: Mapping[str, Any], defaults: Any = None) -> Any:
    """A config from nested data with the fields of today, as of `to_dict`; a field that is not
    there keeps its default.

    Raises:
      InputError: for a field that does not exist, or a section that is none.
    """
    config = Config() if defaults is None else defaults
    if not isinstance(plain, Mapping):
        raise InputError(f"a config is a dict of its fields, not {type(plain).__name__}")
    for name, value in plain.items():
        own = getattr(config, name, None)
        if dataclasses.is_dataclass(own):
            if not isinstance(value, Mapping):
                raise InputError(f"the config's {name} is a section, not {value!r}")
            value = from_dict(value, own)
        elif isinstance(own, tuple):
            if not isinstance(value, (list, tuple)):
                raise InputError(f"the config's {name} is a list, not {value!r}")
            value = tuple(value)
        setattr(config, name, value)
    return config


def identity(config: Config) -> dict[str, Any]:
    """What the result depends on: all but `run`, `metrics` and where TFDS keeps its sets."""
    plain = to_dict(config)
    del plain["run"], plain["metrics"], plain["data"]["directory"]
    return plain


def without_places(plain: dict[str, Any]) -> dict[str, Any]:
    """An identity without where files lie. What they are then, a fingerprint of the images says."""
    data = plain["data"]
    also = [one.partition("=") for one in data["also"]]
    return plain | {
        "data": data
        | {
            "name": without_place(data["name"]),
            "also": [f"{name}={without_place(where)}" for name, _, where in also],
            "labels": bool(data["labels"]),
        }
    }


def digest(config: Config) -> str:
    """A short hash of the identity, for records."""
    return hash_of(identity(Config()), identity(config))
