"""Pictures of a trained run: samples, reconstructions, interpolations, traversals.

Each function writes an npz of what it shows and a PNG of it, and returns their paths. Of a run of
several seeds, the first is shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.files import figures, png_folder
from iae_jax.files.atomic import new_folder
from iae_jax.files.npz_writer import NpzWriter
from iae_jax.runs.images import Images
from iae_jax.runs.loaded import MAX_SEED, Codes, Model
from iae_jax.runs.model_inputs import check_category
from iae_jax.runs.pictures import STOCHASTIC_ROWS
from iae_jax.runs.request import CHUNK, Request
from iae_jax.sampling.noise import to_unit

COUNT, ROWS = 64, 12  # samples and reconstructions, rows of the others, unless asked otherwise
COLUMNS = 12  # from one end of an interpolation to the other
REACH = 2.0  # of a traversal, in SDs of the component over the codes of the images
MAX_COMPONENTS = 20  # rows of a traversal
MAX_CODES = 500  # of which a component's SD is taken
SHOWN_ROWS = 50  # of any other picture
CHUNK_ROWS = CHUNK // COLUMNS


def _encodes(model: Model) -> bool:
    return model.run.game.networks.encoder is not None


def _needed(request: Request, default: int, each: int = 1) -> Images:
    """The first images, `each` for every one of --count, or of `default` as far as there are so
    many. Raises: InputError if there are fewer."""
    images = request.opened()
    count = each * (request.count or max(1, min(default, len(images) // each)))
    if count > len(images):
        raise InputError(
            f"this needs {count} images and {images.label} has {len(images)}: "
            + ("lower --count" if (request.count or 1) > 1 else "give more by --images")
        )
    return images.part(0, count)


def _shown(shape: Sequence[int]) -> int:
    """How many examples of this shape a picture has, at most."""
    return figures.MAX_POINTS if len(shape) == 1 else figures.PER_ROW * figures.MAX_ROWS


def samples(request: Request) -> list[Path]:
    """samples.npz, x: f32[count, ...] with the code of each: vector f32[count, D], category
    i32[count]. Or with --format=png the folder samples/ of 000000.png, ..., and in it codes.npz
    with these two; other programs compare such folders:

      fidelity --fid --gpu 0 --input1 RUN/samples --input2 FOLDER      (pip install torch-fidelity)
      python -c "from cleanfid import fid; print(fid.compute_fid('RUN/samples', 'FOLDER'))"
    """
    model, count = request.model, request.count or COUNT
    model.need("generator")
    shape = model.shape
    if request.category is not None:
        check_category(model.run.game.prior, request.category)
    if request.format == "png":
        if len(shape) != 3 or shape[-1] not in (1, 3) or model.values != "unit":
            raise InputError(f"a PNG has 1 or 3 channels and x is {list(shape)}: --format=npz")
        folder = request.output / "samples"
        with (
            new_folder(folder, rf"{png_folder.FILES}|codes\.npz", "codes.npz") as part,
            NpzWriter(part / "codes.npz") as writer,
        ):
            writer.add(**request.origin())
            for first, z, x in _sampled(request, count):
                png_folder.write(part, x, first)
                writer.append({"vector": z.vector, "category": z.category})
        return [folder]
    with request.npz("samples") as writer:
        for _, z, x in _sampled(request, count):
            writer.append({"x": x, "vector": z.vector, "category": z.category})
    paths = [request.output / "samples.npz", request.output / "samples.png"]
    if not figures.drawable(shape):
        return paths[:1]
    some = model.sample(min(count, _shown(shape)), request.category, request.seed)
    figures.reconstructions(paths[1], None, [], some)
    return paths


def _sampled(request: Request, count: int) -> Iterator[tuple[int, Codes, np.ndarray]]:
    """(first, codes, images) of all samples in order."""
    model, category, seed = request.model, request.category, request.seed
    for first in range(0, count, CHUNK):
        z = model.prior(min(CHUNK, count - first), category, seed, first)
        yield first, z, model.decode(z.vector, z.category, seed=seed, first=first)


def reconstructions(request: Request) -> list[Path]:
    """reconstructions.npz, x: f32[count, ...], names: [count], x_hat: f32[draws, count, ...], one
    draw of a deterministic model."""
    model = request.model
    model.need("generator", "encoder")
    images = request.opened() if request.select else _needed(request, COUNT)
    networks = model.run.game.networks
    stochastic = networks.encoder.noise or networks.generator.noise  # type: ignore[union-attr]
    draws = STOCHASTIC_ROWS if stochastic else 1
    seeds = [(request.seed + draw) % (MAX_SEED + 1) for draw in range(draws)]
    with request.npz("reconstructions", images) as writer:
        writer.add(names=images.names)
        for seed in seeds:
            for first, part in images.parts(CHUNK):
                x = part.read().x
                writer.append({"x_hat": model.reconstruct(x, seed, first)})
                if seed == seeds[0]:
                    writer.append({"x": to_unit(jnp.asarray(x))})
        writer.reshape("x_hat", (draws, len(images), *model.shape))
    paths = [request.output / f"reconstructions.{kind}" for kind in ("npz", "png")]
    if not figures.drawable(model.shape):
        return paths[:1]
    x = images.part(0, _shown(model.shape)).read().x
    figures.reconstructions(paths[1], x, [model.reconstruct(x, seed) for seed in seeds], None)
    return paths


def interpolations(request: Request) -> list[Path]:
    """interpolations.npz, x: f32[count, COLUMNS, ...], names: [count, 2]: between the codes of two
    images, the local code fixed; a category changes half-way. Of selected images, from each to the
    next one; else from the first `count` to as many after them; without an encoder, of the
    prior."""
    model, count = request.model, request.count or ROWS
    model.need("generator")
    if not _encodes(model):
        if request.images or request.select:
            model.need("encoder")
        return _rows(request, "interpolations", _between_priors(request, count))
    if request.select:
        images, apart = request.opened(), 1
        count = len(images) - 1
        if not count:
            raise InputError("a way is between two images: --select two or more")
    else:
        images = _needed(request, ROWS, each=2)
        count = apart = len(images) // 2
    names = np.stack([images.names[:count], images.names[apart : apart + count]], axis=1)
    parts = _between_images(request, images, apart, count)
    return _rows(request, "interpolations", parts, of=(images, names))


def _between_images(
    request: Request, images: Images, apart: int, count: int
) -> Iterator[np.ndarray]:
    """From the first `count` images to those that are `apart` from them."""
    for first in range(0, count, CHUNK_ROWS):
        rows = min(CHUNK_ROWS, count - first)
        one, two = (images.part(start, rows).read().x for start in (first, first + apart))
        yield request.model.interpolate(one, two, COLUMNS, request.seed, first)


def _between_priors(request: Request, count: int) -> Iterator[np.ndarray]:
    for first in range(0, count, CHUNK_ROWS):
        rows = min(CHUNK_ROWS, count - first)
        one, two = (
            request.model.prior(rows, seed=request.seed, first=start)
            for start in (first, count + first)
        )
        yield request.model.ways(one, two, COLUMNS, request.seed, first)


def traversals(request: Request) -> list[Path]:
    """traversals.npz. Of a categorical code, x: f32[count, K, ...], a column for each category and
    a local code (and vector) for each row. Else x: f32[D, COLUMNS, ...], a row for each component
    of the code of one image, names: [1], from -2 to 2 SDs of that component, with one local code
    for all; the picture has the first 20, whatever `count` is. SDs are of the codes of up to 500
    images, of which the first is moved, or the one that is selected."""
    model = request.model
    model.need("generator")
    categories = model.run.game.prior.categories
    if (categories or not _encodes(model)) and (request.images or request.select):
        raise InputError("a traversal of this model is of codes of the prior: leave --images out")
    if categories:
        return _rows(request, "traversals", _categories(request), label="categories")
    images = request.opened(selected=False).part(0, MAX_CODES) if _encodes(model) else None
    shown = request.opened() if images is not None and request.select else images
    if images is not None and len(images) < 2:
        raise InputError(f"an SD is of two codes or more, and {images.label} has one image")
    if request.select and shown is not None and len(shown) > 1:
        raise InputError("a traversal moves the code of one image: --select one")
    of = (shown, None if shown is None else shown.names[:1])
    parts = _components(request, images, shown)
    return _rows(request, "traversals", parts, MAX_COMPONENTS, "components", of)


def _categories(request: Request) -> Iterator[np.ndarray]:
    model, seed, count = request.model, request.seed, request.count or ROWS
    categories = model.run.game.prior.categories
    size = max(1, CHUNK // categories)
    for first in range(0, count, size):
        rows = min(size, count - first)
        local = model.local(rows, seed, first)
        each = [model.prior(rows, one, seed, first).vector for one in range(categories)]
        x = model.decode(
            None if each[0] is None else np.stack(each, axis=1).reshape(rows * categories, -1),
            np.tile(np.arange(categories), rows),
            np.repeat(local, categories, axis=0),
        )
        yield x.reshape(rows, categories, *model.shape)


def _components(
    request: Request, images: Images | None, shown: Images | None
) -> Iterator[np.ndarray]:
    """images: among whose codes that of the first one shown is moved; None for the prior's."""
    model, seed = request.model, request.seed
    if images is None or shown is None:
        codes = model.prior(MAX_CODES, seed=seed).vector
        one = codes[0]
    else:
        codes = model.encode(images.read().x, seed).vector
        chosen = codes if shown is images else model.encode(shown.read().x, seed).vector
        one = chosen[0]
    moved, size = moved_components(codes, one), codes.shape[1]
    for first in range(0, size, CHUNK_ROWS):
        part = moved[first : first + CHUNK_ROWS].reshape(-1, size)
        x = model.decode(part, local=np.repeat(model.local(1, seed), len(part), axis=0))
        yield x.reshape(-1, COLUMNS, *model.shape)


def moved_components(codes: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """A code f32[D] with one component moved over all it is among the codes f32[N, D]:
    f32[D, COLUMNS, D]."""
    offsets = np.linspace(-REACH, REACH, COLUMNS)[None, :] * np.std(codes, axis=0)[:, None]
    moved = np.mean(codes, axis=0)[:, None] + offsets
    own = np.eye(codes.shape[1], dtype=bool)[:, None]
    return np.where(own, moved[..., None], shown).astype(np.float32)


def _rows(
    request: Request,
    name: str,
    parts: Iterable[np.ndarray],
    max_rows: int = SHOWN_ROWS,
    label: str = "interpolations",
    of: tuple[Images | None, np.ndarray | None] = (None, None),
) -> list[Path]:
    """NAME.npz and its picture. parts: of x f32[rows, columns, ...]. label, max_rows: of the
    picture. of: images that are shown, and the names of those in a row."""
    shown: list[np.ndarray] = []
    images, names = of
    with request.npz(name, images) as writer:
        writer.add(names=names)
        for x in parts:
            writer.append({"x": x})
            if sum(map(len, shown)) < max_rows:
                shown.append(x)
    paths = [request.output / f"{name}.npz", request.output / f"{name}.png"]
    rows = np.concatenate(shown)[:max_rows]
    if rows.ndim != 5 or not figures.drawable(rows.shape[2:]):
        return paths[:1]
    groups = [("" if i else label, block) for i, block in enumerate(figures.blocks(rows))]
    figures.rows_of_images(paths[1], groups)
    return paths
