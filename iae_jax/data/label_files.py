"""Files of labels: CSV or JSON, a file name and a class for each image."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from iae_jax.errors import InputError, first_line

NAMES = ("labels.csv", "labels.json")  # beside the images
# Headers, in any case; "class_name" and "class name" are "classname".
FILE_HEADERS = ("file", "filename", "filepath", "path", "image", "imagename", "img", "name", "id",
                "imageid")  # fmt: skip
CLASS_HEADERS = ("label", "labels", "class", "classname", "labelname", "category", "target")


def rows_of(text: str, name: str) -> dict[str, str]:
    """The class of each file that a text names, as words; "" for none.

    CSV: columns of file names and of classes, with a header that has one of `FILE_HEADERS` and one
    of `CLASS_HEADERS`, or without a header and of two columns; commas, semicolons or tabs between.
    A header with a file's name alone is of one-hot columns, whose names are the classes.
    JSON: {"a.png": "cat", ...}, or a list of {"file": "a.png", "label": "cat"} (keys as the headers
    of a CSV) or of ["a.png", "cat"]; or {"labels": one of these}.

    Args:
      name: of the file; its end says which of both it is.

    Raises:
      InputError: it is neither, or a file is there twice with two classes.
    """
    if name.lower().endswith(".json"):
        pairs = _json(text, name)
    elif name.lower().endswith((".csv", ".tsv")):
        pairs = _csv(text, name)
    else:
        raise InputError(f"labels of image files are a .csv or .json file, not {name}")
    found: dict[str, str] = {}
    for file, label in pairs:
        file = file.strip().replace("\\", "/").removeprefix("./")
        if found.setdefault(file, label) != label:
            raise InputError(f"{name} says of {file} {found[file]!r} and {label!r}: leave one")
    if not found:
        raise InputError(f"{name} has no row: write a file name and a class for each image")
    return found


def _plain(header: str) -> str:
    return header.strip().lower().replace("_", "").replace(" ", "").replace("-", "")


def _columns(headers: list[str], name: str) -> tuple[int, int | None]:
    """Where the file names and the classes are; None for one-hot columns.

    Raises:
      InputError: it is not clear.
    """
    plain = [_plain(header) for header in headers]
    files = [i for i, header in enumerate(plain) if header in FILE_HEADERS]
    classes = [i for i, header in enumerate(plain) if header in CLASS_HEADERS]
    # "name" or "id" beside "file" is something else.
    files = [i for i in files if plain[i] not in ("name", "id")] if len(files) > 1 else files
    if len(files) != 1 or len(classes) > 1 or (not classes and len(plain) < 3):
        raise InputError(
            f"{name} has the columns {', '.join(headers)}: call that of the file names file and "
            "that of the classes label, and no other one so"
        )
    return files[0], classes[0] if classes else None


def _csv(text: str, name: str) -> list[tuple[str, str]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise InputError(f"{name} is no CSV ({first_line(error)}): write it again") from error
    if not rows:
        return []
    headers = rows[0]
    plain = {_plain(header) for header in headers}
    if len(headers) == 2 and "." in headers[0] and not plain & {*FILE_HEADERS}:
        # The first row is of an image already.
        return [(row[0], row[1].strip()) for row in _even(rows, name)]
    file, label = _columns(headers, name)
    _even(rows, name)
    if label is not None:
        return [(row[file], row[label].strip()) for row in rows[1:]]
    others = [i for i in range(len(headers)) if i != file]
    return [(row[file], _hot([(headers[i], row[i]) for i in others], name)) for row in rows[1:]]


def _even(rows: list[list[str]], name: str) -> list[list[str]]:
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise InputError(
                f"row {number} of {name} has {len(row)} columns and the first {len(rows[0])}: "
                "quote what has commas"
            )
    return rows


def _hot(cells: Iterable[tuple[str, str]], name: str) -> str:
    """The header of the one cell that is 1."""
    cells = list(cells)
    try:
        numbers = [float(value) for _, value in cells]
    except ValueError:
        numbers = []
    if sorted(set(numbers)) not in ([0, 1], [1]) or numbers.count(1) != 1:
        raise InputError(
            f"{name} has no column of classes ({', '.join(CLASS_HEADERS)}), and its other columns "
            "are not one-hot: call the column of the classes label"
        )
    return cells[numbers.index(1)][0].strip()


def _json(text: str, name: str) -> list[tuple[str, str]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is no JSON ({first_line(error)}): write it again") from error
    if isinstance(content, dict) and isinstance(content.get("labels"), (list, dict)):
        content = content["labels"]
    if isinstance(content, dict):
        content = list(content.items())
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        headers = list(content[0])
        file, label = _columns(headers, name)
        if label is not None:
            content = [(row.get(headers[file]), row.get(headers[label])) for row in content]
    if not isinstance(content, list) or not all(
        isinstance(row, (list, tuple)) and len(row) == 2 and isinstance(row[0], str)
        for row in content
    ):
        raise InputError(
            f'{name} is no table of labels: write {{"a.png": "cat", ...}}, a class for each file'
        )
    return [(file, _word(label, file, name)) for file, label in content]


def _word(label: Any, file: str, name: str) -> str:
    if label is None:
        return ""
    if isinstance(label, list) and all(one in (0, 1) for one in label) and sum(label) == 1:
        return str(label.index(1))
    if isinstance(label, (str, int, float)):
        return str(int(label) if isinstance(label, bool) else label).strip()
    raise InputError(f"{name} says of {file} {label!r}: write one class, a word or a number")
