"""The evaluation of a trained run: evaluation_SPLIT.json."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from iae_jax.data import Dataset, Source, load, title
from iae_jax.data.sources import is_files
from iae_jax.data.splits import AUTOMATIC
from iae_jax.files.atomic import open_folder, write_json
from iae_jax.files.home import expanded
from iae_jax.metrics.classifier_training import Recipe, second_recipe
from iae_jax.metrics.evaluate import MAX_CODES, Record, Trained, evaluate, named
from iae_jax.metrics.extractor import Extractor
from iae_jax.metrics.feature_classifier import FeatureClassifier, feature_classifier
from iae_jax.metrics.hog import has_hog, hog
from iae_jax.runs.config import Config, digest
from iae_jax.runs.console import log
from iae_jax.runs.data_config import split_of
from iae_jax.runs.data_sets import load_split
from iae_jax.runs.feed import images_digest, seeds_of
from iae_jax.runs.images import own_split
from iae_jax.runs.ledger import Ledger, ledger_of
from iae_jax.runs.trained import check_own_images, trained

MAX_CLASSIFIER_BYTES = 2**30  # of images that a feature classifier learns from
SECOND_SEED = 1  # of the second classifier


def cache_of(config: Config) -> Path:
    """Where feature classifiers and compiled programs are kept. Raises: InputError for a ~ that is
    no home."""
    given = config.run.cache
    return expanded(given).absolute() if given else Path.home() / ".cache" / "iae_jax"


def extractor_of(config: Config, source: Source, train: Dataset) -> Extractor | None:
    """What images are compared by: a classifier where there are labels, else HOG; None for x that
    is no image. train: examples of the source."""
    if len(source.shape) != 3:
        return None
    if classifies(config, source):
        return _classifier(config, source, train)
    return hog(source.shape) if has_hog(source.shape) else None


def second_extractor_of(config: Config, source: Source, train: Dataset) -> Extractor | None:
    """Another classifier, to see whether what is measured depends on the first; None where that is
    none. Arguments: as of `extractor_of`."""
    if not classifies(config, source):
        return None
    return _classifier(config, source, train, SECOND_SEED, second_recipe(source.shape))


def _classifier(
    config: Config, source: Source, train: Dataset, seed: int = 0, recipe: Recipe | None = None
) -> FeatureClassifier:
    """See `feature_classifier`."""
    assert source.classes is not None
    test = load_split(config, "test")
    name, cache = title(config.data.name), cache_of(config)
    found = feature_classifier(name, train, test, cache, source.classes, seed, recipe)
    log(f"feature classifier: {found.extractor}, test accuracy {found.test_accuracy:.4f}")
    return found


def classifies(config: Config, source: Source) -> bool:
    """Whether a feature classifier is trained on the source."""
    several = source.classes is not None and source.classes > 1
    return config.run.classifier and several and len(source.shape) == 3


def evaluate_run(
    config: Config,
    workdir: Path,
    checkpoint: str,
    split: str,
    ledger: Ledger | None = None,
    output: Path | None = None,
) -> Path:
    """Measures every seed of a trained run on a split, prints the numbers and writes
    evaluation_SPLIT.json, whose path it returns, in the run's folder or in `output`. Measurements
    on the test split are noted before, in the run's folder or another `ledger`.

    Raises:
      InputError: there is no such checkpoint, or a metric of the config is none.
    """
    extra = named(config.metrics)
    ledger = ledger or ledger_of(workdir)
    run = trained(config, workdir, checkpoint)
    # Before minutes of measuring, not after.
    open_folder(output or workdir, "--output")
    if split == "test":
        ledger.check()
    measured, source = own_split(config, split), own_split(config, "train")
    check_own_images(run, split, measured)
    held_out = load(measured)
    generates = run.game.networks.generator is not None
    learns = generates and classifies(config, source)
    most = max(MAX_CODES, len(held_out.x))
    if learns:
        most = max(most, MAX_CLASSIFIER_BYTES // math.prod(source.shape))
    # Not all may fit in memory. The classifier of a part is the same for all seeds.
    rng = np.random.default_rng(0 if learns else config.seed)
    train = source.read(np.sort(rng.permutation(len(source))[:most]))
    extractor = extractor_of(config, source, train) if generates else None
    second = second_extractor_of(config, source, train) if generates else None
    model = Trained(
        run.game,
        run.params(),
        held_out.x,
        held_out.labels,
        split,
        config.seed,
        run.local_scale,
        extractor,
        # A floor, and a probe, of the split itself would say nothing.
        None if split == "train" else train,
        # Clusters have their names from another split than the one that is measured.
        None if split == "validation" else load_split(config, "validation"),
        second=second,
    )
    records: list[Record] = []
    for index, seed in enumerate(seeds_of(config)):
        folder = workdir if index == 0 else None
        one = model._replace(params=run.params(index), seed=seed, folder=folder)
        records += evaluate(one, extra, digest(config))
    if split == "test":
        ledger.note("evaluate", config, seeds_of(config), len(held_out.x), by_seed(config, records))
    path = (output or workdir) / f"evaluation_{split}.json"
    accuracy = extractor.test_accuracy if isinstance(extractor, FeatureClassifier) else math.nan
    content = {
        "data": identity_of(config, split, measured),
        "checkpoint": checkpoint,
        "step": run.step,
        # Unknown without test images that have a label.
        "classifier_test_accuracy": accuracy if math.isfinite(accuracy) else None,
        "records": [record.to_json() for record in records],
    }
    write_json(path, content)
    for record in records:
        print(line_of(record, config.run.seeds > 1))
    print(path)
    return path


def by_seed(config: Config, records: Sequence[Record]) -> dict[str, list[float | None]]:
    """Metric -> a value of each seed, None where it has none or one that is not finite."""
    values = {(one.metric, one.seed): one.value for one in records if math.isfinite(one.value)}
    names = dict.fromkeys(one.metric for one in records)
    return {name: [values.get((name, seed)) for seed in seeds_of(config)] for name in names}


def identity_of(config: Config, split: str, measured: Source) -> str:
    """Which examples were measured, in words; of files what they are, wherever they lie."""
    if is_files(config.data.name):
        return f"{len(measured)} images, {images_digest(measured)}"
    named = split_of(config.data, split)
    return f"{config.data.name} {measured.split if named.startswith(AUTOMATIC) else named}"


def line_of(record: Record, several: bool) -> str:
    """A record as a line to read."""
    extractor = f"  {record.extractor}" if record.extractor else ""
    interval = ""
    if record.low is not None and record.high is not None:
        interval = f"  in {record.low:.4f} ... {record.high:.4f}"
    seed = f"  seed {record.seed}" if several else ""
    return f"{record.metric:32s} {record.value:10.4f}  n {record.n}{interval}{extractor}{seed}"
