"""Pictures of a trained run: samples, reconstructions, interpolations, traversals; and its codes.

Each function writes an npz of what it shows and a PNG of it to the workdir, and returns their
paths. Of a run of several seeds, the first is shown.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.files import figures
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.codes import CATEGORY, CODE_VECTOR
from iae_jax.metrics.measurement import Trained
from iae_jax.metrics.stream import stream
from iae_jax.runs.build import load_split, open_split
from iae_jax.runs.config import Config
from iae_jax.runs.pictures import STOCHASTIC_ROWS
from iae_jax.runs.trained import TrainedRun, trained
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.interpolation import between
from iae_jax.sampling.model import encode, generate, reconstruct
from iae_jax.sampling.noise import Noise, example_keys, to_unit
from iae_jax.types import Array, Code, Game

COLUMNS = 12  # from one end of an interpolation to the other
REACH = 2.0  # of a traversal, in SDs of the component over the codes of the split
MAX_COMPONENTS = 20  # rows of a traversal
MAX_CODES = 500  # of which a component's SD is taken


@dataclass(frozen=True)
class Asked:
    """What is to be shown: of which checkpoint, whose images, how many."""

    config: Config
    workdir: Path
    checkpoint: str
    split: str
    count: int

    @property
    def key(self) -> Array:
        return jax.random.key(self.config.seed)


def _generating(asked: Asked) -> TrainedRun:
    """The run. Raises: InputError if it has no generator."""
    run = trained(asked.config, asked.workdir, asked.checkpoint)
    if run.game.networks.generator is None:
        raise InputError("this model has no generator: use --mode=evaluate or encode")
    return run


def _images(asked: Asked, count: int) -> Array:
    """The first images of the split: f32[count, ...]. Raises: InputError if it has fewer."""
    source = open_split(asked.config, asked.split)
    if count > len(source):
        raise InputError(
            f"this needs {count} images and {asked.split} has {len(source)}: lower --count"
        )
    return to_unit(jnp.asarray(source.read(np.arange(count)).x))


def _check_encoder(game: Game) -> None:
    if game.networks.encoder is None:
        raise InputError("this model has no encoder: use --mode=sample, interpolate or traverse")


def samples(asked: Asked) -> list[Path]:
    """samples.npz, x: f32[count, ...]."""
    run = _generating(asked)
    x = np.asarray(generate(run.game, run.params(), asked.key, asked.count, run.local_scale))
    paths = [asked.workdir / "samples.npz", asked.workdir / "samples.png"]
    write_npz(paths[0], x=x)
    if not figures.drawable(x.shape[1:]):
        return paths[:1]
    figures.reconstructions(paths[1], None, [], x)
    return paths


def reconstructions(asked: Asked) -> list[Path]:
    """reconstructions.npz, x: f32[count, ...], x_hat: f32[draws, count, ...], one draw of a
    deterministic model."""
    run = _generating(asked)
    _check_encoder(run.game)
    x, networks = _images(asked, asked.count), run.game.networks
    stochastic = networks.encoder.noise or networks.generator.noise  # type: ignore[union-attr]
    keys = jax.random.split(asked.key, STOCHASTIC_ROWS if stochastic else 1)
    x_hat = np.stack([reconstruct(run.game, run.params(), x, key, run.local_scale) for key in keys])
    paths = [asked.workdir / "reconstructions.npz", asked.workdir / "reconstructions.png"]
    write_npz(paths[0], x=np.asarray(x), x_hat=x_hat)
    if not figures.drawable(x.shape[1:]):
        return paths[:1]
    figures.reconstructions(paths[1], np.asarray(x), list(x_hat), None)
    return paths


def _prior_codes(run: TrainedRun, keys: Array) -> Code:
    """z ~ p(z), one for each key."""
    return Draws(run.game, run.params(), Noise(keys), {}).z_prior


def _some_codes(asked: Asked, run: TrainedRun, count: int) -> Code:
    """Codes of the first images of the split, or of the prior where there is no encoder."""
    if run.game.networks.encoder is None:
        return _prior_codes(run, example_keys(asked.key, 0, count))
    return encode(run.game, run.params(), _images(asked, count), asked.key)


def _decoded(run: TrainedRun, z: Code, keys: Array, columns: int) -> np.ndarray:
    """Each row of `columns` codes with one local code: f32[rows, columns, ...]. keys: [rows]."""
    noise = Noise(jnp.repeat(keys, columns, axis=0))
    draws = Draws(run.game, run.params(), noise, {}, local_scale=run.local_scale)
    x = draws.decode(z, "local")
    return np.asarray(x).reshape(len(keys), columns, *x.shape[1:])


def interpolations(asked: Asked) -> list[Path]:
    """interpolations.npz, x: f32[count, COLUMNS, ...]: between the codes of two images, the local
    code fixed; a category changes half-way."""
    run, count = _generating(asked), asked.count
    codes = _some_codes(asked, run, 2 * count)
    shares = jnp.linspace(0.0, 1.0, COLUMNS)

    def rows(values: Array) -> Array:
        return values.reshape(count * COLUMNS, -1)

    z = Code()
    if codes.vector is not None:
        z = z._replace(vector=rows(between(codes.vector[:count], codes.vector[count:], shares)))
    if codes.category is not None:
        first = (shares < 0.5)[None, :, None]
        category = jnp.where(first, codes.category[:count, None], codes.category[count:, None])
        z = z._replace(category=rows(category), probabilities=rows(category))
    x = _decoded(run, z, example_keys(asked.key, 0, count), COLUMNS)
    return _rows(asked.workdir, "interpolations", x, "interpolations", count)


def traversals(asked: Asked) -> list[Path]:
    """traversals.npz. Of a categorical code, x: f32[count, K, ...], a column for each category and
    a local code (and vector) for each row. Else x: f32[D, COLUMNS, ...], a row for each component
    of one image's code, from -2 to 2 SDs of that component, with one local code for all; the
    picture has the first 20, whatever `count` is."""
    run = _generating(asked)
    prior = run.game.prior
    if categories := prior.categories:
        category = jnp.tile(jnp.eye(categories), (asked.count, 1))
        z, keys = Code(None, category, category), example_keys(asked.key, 0, asked.count)
        if prior.size:
            draws = Draws(run.game, run.params(), Noise(keys), {})
            each: list[Any] = [draws.z_prior_of(one).vector for one in range(categories)]
            z = z._replace(vector=jnp.stack(each, axis=1).reshape(-1, prior.size))
        x = _decoded(run, z, keys, categories)
        return _rows(asked.workdir, "traversals", x, "categories", asked.count)
    some = _some_codes(asked, run, min(MAX_CODES, len(open_split(asked.config, asked.split))))
    assert some.vector is not None
    moved = moved_components(some.vector)
    size = len(moved)
    z = Code(vector=moved.reshape(size * COLUMNS, size))
    one_local = jnp.repeat(example_keys(asked.key, 0, 1), size, axis=0)
    x = _decoded(run, z, one_local, COLUMNS)
    return _rows(asked.workdir, "traversals", x, "components", MAX_COMPONENTS)


def moved_components(codes: Array) -> Array:
    """The first of the codes f32[N, D] with one component moved over all it is among them:
    f32[D, COLUMNS, D]."""
    offsets = jnp.linspace(-REACH, REACH, COLUMNS)[None, :] * jnp.std(codes, axis=0)[:, None]
    moved = jnp.mean(codes, axis=0)[:, None] + offsets
    one = jnp.eye(codes.shape[1], dtype=bool)[:, None]
    return jnp.where(one, moved[..., None], codes[0])


def _rows(workdir: Path, name: str, x: np.ndarray, label: str, max_rows: int) -> list[Path]:
    """x: f32[rows, columns, ...]. label, max_rows: of the picture."""
    paths = [workdir / f"{name}.npz", workdir / f"{name}.png"]
    write_npz(paths[0], x=x)
    if x.ndim == 5 and figures.drawable(x.shape[2:]):
        figures.rows_of_images(paths[1], [(label, list(x[:max_rows]))], x.shape[1])
        return paths
    return paths[:1]


def codes(asked: Asked) -> list[Path]:
    """codes_SPLIT.npz of all images of the split, vector: f32[N, D], probabilities: f32[N, K] of
    the category (what the model has of them), labels: i32[N]; a vector of two components as a
    picture too."""
    run = trained(asked.config, asked.workdir, asked.checkpoint)
    _check_encoder(run.game)
    data, split = load_split(asked.config, asked.split), asked.split
    model = Trained(
        run.game, run.params(), data.x, data.labels, split, asked.config.seed, run.local_scale
    )
    rows = stream(model, (CODE_VECTOR, CATEGORY)).rows
    fields = {CODE_VECTOR.name: "vector", CATEGORY.name: "probabilities"}
    found: dict[str, Any] = {fields[name]: values for name, values in rows.items()}
    paths = [asked.workdir / f"codes_{split}.npz"]
    write_npz(paths[0], labels=data.labels, **found)
    vector = found.get("vector")
    if vector is not None and vector.shape[1] == 2:
        paths.append(asked.workdir / f"codes_{split}.png")
        figures.labelled(paths[1], vector, data.labels)
    return paths
