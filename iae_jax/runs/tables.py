"""What a trained run says of each image of a set: its codes as npz, its scores as CSV.

Both are written batch by batch, so that memory does not grow with the number of images.
"""

import csv
from pathlib import Path

import numpy as np

from iae_jax.errors import InputError
from iae_jax.files import figures
from iae_jax.files.atomic import new_file
from iae_jax.runs.model_outputs import scored_by
from iae_jax.runs.request import CHUNK, Request


def codes(request: Request) -> list[Path]:
    """codes_LABEL.npz of all images, LABEL being the split or the set's name.

    names [N] (files, or indices), labels i32[N] (-1: none), class_names if the set has them, and
    what the model has of vector f32[N, D], a sample of q(z|x), mean and deviation f32[N, D],
    probabilities f32[N, K] and category i32[N], drawn from them; a vector of two components as a
    picture too.
    """
    model = request.model
    if model.run.game.networks.encoder is None:
        raise InputError("this model has no encoder: use --mode=sample, interpolate or traverse")
    images = request.opened()
    path = request.output / f"codes_{images.label}.npz"
    plane: list[np.ndarray] = []  # vectors of two components
    labels: list[np.ndarray] = []
    with request.npz(path.stem) as writer:
        writer.add(names=images.names)
        if images.source.class_names:
            writer.add(class_names=np.array(images.source.class_names))
        for first, part in images.parts(CHUNK):
            data = part.read()
            found = model.encode(data.x, request.seed, first)
            writer.append({**found._asdict(), "labels": data.labels})
            if found.vector is not None and found.vector.shape[1] == 2:
                plane.append(found.vector)
                labels.append(data.labels)
    if not plane:
        return [path]
    figures.labelled(path.with_suffix(".png"), np.concatenate(plane), np.concatenate(labels))
    return [path, path.with_suffix(".png")]


def scores(request: Request) -> list[Path]:
    """scores_LABEL.csv, a line for each image: name, label (empty: none), class (its name, or the
    label), and what `Model.score` has."""
    if not scored_by(request.model.run.game.networks):
        request.model.need("encoder")
    images = request.opened()
    classes = images.source.class_names
    path = request.output / f"scores_{images.label}.csv"
    with (
        new_file(path) as part,
        # Names that are no UTF-8 keep their bytes.
        part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        lines = csv.writer(file)
        for first, some in images.parts(CHUNK):
            data = some.read()
            found = request.model.score(data.x, request.seed, first)
            if not first:
                lines.writerow(["name", "label", "class", *found])
            own = ["" if label < 0 else str(label) for label in data.labels]
            called = [
                classes[label] if 0 <= label < len(classes) else text
                for label, text in zip(data.labels, own, strict=True)
            ]
            columns = [[f"{value:.9g}" for value in values] for values in found.values()]
            lines.writerows(zip(some.names, own, called, *columns, strict=True))
    return [path]
