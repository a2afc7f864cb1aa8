"""What a trained run shows: samples, reconstructions, ways between codes, components, codes.

Each view writes an npz of what it shows and a PNG of it to the workdir, and returns their paths.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data import Dataset
from iae_jax.errors import InputError
from iae_jax.files import figures
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.stream import stream
from iae_jax.objectives.terms import at
from iae_jax.runs.build import load_split, open_split
from iae_jax.runs.config import Config
from iae_jax.runs.train import STOCHASTIC_ROWS
from iae_jax.runs.trained import trained
from iae_jax.sampling import draws
from iae_jax.sampling.draws import to_unit
from iae_jax.sampling.model import encode, generate, reconstruct
from iae_jax.types import Array, Code, Game, Players

COLUMNS = 12  # from one end of a way to the other
REACH = 2.0  # of a traversal, in deviations of the component over the codes it is among
MOST_COMPONENTS = 20  # rows of a traversal
BATCH = 500


def _loaded(config: Config, workdir: Path, checkpoint: str) -> tuple[Game, Players, Array | float]:
    """Of a model that can show something. Errors: InputError."""
    game, restored = trained(config, workdir, checkpoint)
    if game.networks.generator is None:
        raise InputError("this model has no generator: use --mode=evaluate or encode")
    return game, restored.state.average, at(game.noise_scale, jnp.float32(restored.state.step))


def _images(config: Config, split: str, count: int) -> Array:
    """The first images of a split: f32[count, ...]. Errors: InputError if it has fewer."""
    source = open_split(config, split)
    if count > len(source):
        raise InputError(f"this needs {count} images and {split} has {len(source)}: lower --count")
    return to_unit(jnp.asarray(source.read(np.arange(count)).images))


def _needs_encoder(game: Game) -> None:
    if game.networks.encoder is None:
        raise InputError("this model has no encoder: use --mode=sample, interpolate or traverse")


def samples(config: Config, workdir: Path, checkpoint: str, count: int) -> list[Path]:
    """samples.npz, x: f32[count, ...]."""
    game, params, scale = _loaded(config, workdir, checkpoint)
    x = np.asarray(generate(game, params, jax.random.key(config.seed), count, scale))
    paths = [workdir / "samples.npz", workdir / "samples.png"]
    write_npz(paths[0], x=x)
    figures.reconstructions(paths[1], None, [], x)
    return paths


def reconstructions(
    config: Config, workdir: Path, checkpoint: str, split: str, count: int
) -> list[Path]:
    """reconstructions.npz, x: f32[count, ...], x_hat: f32[draws, count, ...], one draw of a
    deterministic model."""
    game, params, scale = _loaded(config, workdir, checkpoint)
    _needs_encoder(game)
    x, networks = _images(config, split, count), game.networks
    stochastic = networks.encoder.noise or networks.generator.noise
    keys = jax.random.split(jax.random.key(config.seed), STOCHASTIC_ROWS if stochastic else 1)
    x_hat = np.stack([reconstruct(game, params, x, key, scale) for key in keys])
    paths = [workdir / "reconstructions.npz", workdir / "reconstructions.png"]
    write_npz(paths[0], x=np.asarray(x), x_hat=x_hat)
    figures.reconstructions(paths[1], np.asarray(x), list(x_hat), None)
    return paths


def _some_codes(config: Config, game: Game, params: Players, split: str, count: int) -> Code:
    """Codes of the first images of a split, or of the prior where there is no encoder."""
    key = jax.random.key(config.seed)
    if game.networks.encoder is None:
        return game.prior.sample(draws.purpose_keys(draws.example_keys(key, 0, count), draws.PRIOR))
    return encode(game, params, _images(config, split, count), key)


def between(a: Array, b: Array, shares: Array) -> Array:
    """Codes on the way from a to b, f32[N, D] each: f32[N, S, D] at shares f32[S] of it.

    Along the great circle, with the norm between theirs: codes of many components lie near a
    sphere, and a straight way would leave it.
    """
    norm_a, norm_b = (jnp.linalg.norm(z, axis=-1, keepdims=True) for z in (a, b))
    u, v = a / jnp.maximum(norm_a, 1e-12), b / jnp.maximum(norm_b, 1e-12)
    angle = jnp.arccos(jnp.clip(jnp.sum(u * v, axis=-1, keepdims=True), -1.0, 1.0))[:, None]
    t = shares[None, :, None]
    sine = jnp.sin(angle)
    turned = (
        jnp.sin((1 - t) * angle) * u[:, None] + jnp.sin(t * angle) * v[:, None]
    ) / jnp.maximum(sine, 1e-6)
    # Parallel codes have no circle between them.
    straight = (1 - t) * u[:, None] + t * v[:, None]
    way = jnp.where(sine > 1e-4, turned, straight)
    return way * ((1 - t) * norm_a[:, None] + t * norm_b[:, None])


def _decoded(
    game: Game, params: Players, z: Code, keys: Array, scale: Array | float, columns: int
) -> np.ndarray:
    """Each row of `columns` codes with one local code: f32[rows, columns, ...]. keys: [rows]."""
    x = draws.generate(game.networks, params, jnp.repeat(keys, columns, axis=0), z, scale)
    return np.asarray(x).reshape(len(keys), columns, *x.shape[1:])


def interpolations(
    config: Config, workdir: Path, checkpoint: str, split: str, count: int
) -> list[Path]:
    """interpolations.npz, x: f32[count, COLUMNS, ...]: ways between the codes of two images, the
    local code fixed; a category changes half-way."""
    game, params, scale = _loaded(config, workdir, checkpoint)
    codes = _some_codes(config, game, params, split, 2 * count)
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
    keys = draws.example_keys(jax.random.key(config.seed), 0, count)
    x = _decoded(game, params, z, keys, scale, COLUMNS)
    return _rows(workdir, "interpolations", x, [("interpolations", list(x))])


def traversals(
    config: Config, workdir: Path, checkpoint: str, split: str, count: int
) -> list[Path]:
    """traversals.npz. Of a categorical code, x: f32[count, K, ...], a column for each category and
    a local code (and vector) for each row. Else x: f32[D, COLUMNS, ...], a row for each component
    of one image's code, from -2 to 2 deviations of that component, with one local code for all; the
    first 20 are shown, whatever `count` is."""
    game, params, scale = _loaded(config, workdir, checkpoint)
    key = jax.random.key(config.seed)
    if categories := game.prior.categories:
        category = jnp.tile(jnp.eye(categories), (count, 1))
        z, keys = Code(category=category, probabilities=category), draws.example_keys(key, 0, count)
        if game.prior.size:
            vector = game.prior.sample(draws.purpose_keys(keys, draws.PRIOR)).vector
            assert vector is not None
            z = z._replace(vector=jnp.repeat(vector, categories, axis=0))
        x = _decoded(game, params, z, keys, scale, categories)
        return _rows(workdir, "traversals", x, [("categories", list(x))], categories)
    some = _some_codes(config, game, params, split, min(BATCH, len(open_split(config, split))))
    assert some.vector is not None
    moved = moved_components(some.vector)
    size = len(moved)
    z = Code(vector=moved.reshape(size * COLUMNS, size))
    one_local = jnp.repeat(draws.example_keys(key, 0, 1), size, axis=0)
    x = _decoded(game, params, z, one_local, scale, COLUMNS)
    return _rows(workdir, "traversals", x, [("components", list(x[:MOST_COMPONENTS]))])


def moved_components(codes: Array) -> Array:
    """The first of the codes f32[N, D] with one component moved over all it is among them:
    f32[D, COLUMNS, D]."""
    offsets = jnp.linspace(-REACH, REACH, COLUMNS)[None, :] * jnp.std(codes, axis=0)[:, None]
    moved = jnp.mean(codes, axis=0)[:, None] + offsets
    one = jnp.eye(codes.shape[1], dtype=bool)[:, None]
    return jnp.where(one, moved[..., None], codes[0])


def _rows(
    workdir: Path,
    name: str,
    x: np.ndarray,
    groups: list[tuple[str, list[np.ndarray]]],
    columns: int = COLUMNS,
) -> list[Path]:
    paths = [workdir / f"{name}.npz", workdir / f"{name}.png"]
    write_npz(paths[0], x=x)
    if x.ndim == 5 and figures.drawable(x.shape[2:]):
        figures.rows_of_images(paths[1], groups, columns)
        return paths
    return paths[:1]


def codes(config: Config, workdir: Path, checkpoint: str, split: str) -> list[Path]:
    """codes_SPLIT.npz of all its images, vector: f32[N, D], probabilities: f32[N, K] of the
    category (what the model has of them), labels: i32[N]; a vector of two components as a picture
    too."""
    game, restored = trained(config, workdir, checkpoint)
    _needs_encoder(game)
    params, scale = restored.state.average, at(game.noise_scale, jnp.float32(restored.state.step))
    data: Dataset = load_split(config, split)
    seen = stream(
        game,
        params,
        data.images,
        data.labels,
        seed=config.seed,
        noise_scale=scale,
        judge=None,
        batch_size=BATCH,
        wanted=("code_vector", "category"),
    ).rows
    own = {"code_vector": "vector", "category": "probabilities"}
    paths = [workdir / f"codes_{split}.npz"]
    found: dict[str, Any] = {own[name]: rows for name, rows in seen.items()}
    write_npz(paths[0], labels=data.labels, **found)
    vector = seen.get("code_vector")
    if vector is not None and vector.shape[1] == 2:
        paths.append(workdir / f"codes_{split}.png")
        figures.labelled(paths[1], vector, data.labels)
    return paths
