"""What a trained run says of each image of a set: its codes as npz, its scores as CSV.

Both are written batch by batch, so that memory does not grow with the number of images.
"""

import csv
from collections import defaultdict
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from iae_jax.files import figures
from iae_jax.files.atomic import new_file
from iae_jax.runs.model_outputs import scored_by
from iae_jax.runs.request import CHUNK, COMPARED, Request


def codes(request: Request) -> list[Path]:
    """codes_LABEL.npz of all images, LABEL being the split or the set's name.

    names [N] (files, or indices), labels i32[N] by the run's numbers (-1: none, or a class that the
    run does not know), class_names of the run if it has them, classes [N] (what the set itself
    calls them, if it has labels), and
    what the model has of vector f32[N, D], a sample of q(z|x), mean and deviation f32[N, D],
    probabilities f32[N, K] and category i32[N], drawn from them; a vector of two components as a
    picture too.
    """
    model = request.model
    model.need("encoder")
    images = request.opened()
    path = request.output / f"codes_{images.label}.npz"
    plane: list[np.ndarray] = []  # vectors of two components
    labels: list[np.ndarray] = []
    called = images.called if images.source.classes else lambda labels: None
    with request.npz(path.stem, images) as writer:
        request.note("encode", len(images), {})
        writer.add(names=images.names)
        if images.class_names:
            writer.add(class_names=np.array(images.class_names))
        for first, part in images.parts(CHUNK):
            data = part.read()
            found, numbers = model.encode(data.x, request.seed, first), images.numbers[data.labels]
            writer.append({**found._asdict(), "labels": numbers, "classes": called(data.labels)})
            if found.vector is not None and found.vector.shape[1] == 2:
                plane.append(found.vector)
                labels.append(numbers)
    if not plane:
        return [path]
    figures.labelled(path.with_suffix(".png"), np.concatenate(plane), np.concatenate(labels))
    return [path, path.with_suffix(".png")]


def scores(request: Request) -> list[Path]:
    """scores_LABEL.csv, a line for each image: name, label (by the run's numbers; empty: none),
    class (what its own set calls it), what `Model.score` has, and the `Request.origin`."""
    if not scored_by(request.model.run.game.networks):
        request.model.need("encoder")
    images = request.opened()
    path = request.output / f"scores_{images.label}.csv"
    request.check_replaced(path, _origin_in(path), images)
    sums: defaultdict[str, float] = defaultdict(float)
    origin = request.origin(images)
    with (
        new_file(path) as part,
        # Names that are no UTF-8 keep their bytes.
        TextIOWrapper(part, newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        lines = csv.writer(file)
        for first, some in images.parts(CHUNK):
            data = some.read()
            found = request.model.score(data.x, request.seed, first)
            if not first:
                lines.writerow(["name", "label", "class", *found, *origin])
            for name, values in found.items():
                sums[name] += float(np.sum(values, dtype=np.float64))
            own = ["" if n < 0 else str(n) for n in images.numbers[data.labels]]
            called = images.called(data.labels).tolist()
            columns = [[f"{value:.9g}" for value in values] for values in found.values()]
            of = [[value] * len(some) for value in origin.values()]
            lines.writerows(zip(some.names, own, called, *columns, *of, strict=True))
        means = {name: total / len(images) for name, total in sums.items()}
        request.note("score", len(images), means)
    return [path]


def _origin_in(path: Path) -> dict[str, str]:
    """Of the scores that are there already, in their first line; {} for none."""
    with (
        suppress(OSError, csv.Error, StopIteration),
        path.open(newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        line = next(csv.DictReader(file))
        return {name: line[name] for name in COMPARED if line.get(name)}
    return {}
