"""Labels of image files: by their folders, a pattern in their paths, or a table of labels."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath

from iae_jax.data.classes import Classes, of_names, of_words
from iae_jax.data.dataset import MAX_CLASSES
from iae_jax.data.label_pattern import matches
from iae_jax.errors import InputError

Paths = Mapping[str, PurePosixPath]  # name of a file -> its path within the set


def by_pattern(paths: Paths, pattern: str) -> Classes:
    """What the first group of a regular expression matches in each path: numbers, or words.

    Raises:
      InputError: it is no such expression, matches nothing or too large a number in a path, or
        takes too long.
    """
    words = matches([str(path) for path in paths.values()], pattern)
    numbers = all(word.isdecimal() for word in words)
    for word, path in zip(words, paths.values(), strict=True):
        # int() refuses numbers with thousands of digits.
        if not word or (numbers and (len(word) >= 20 or int(word) >= MAX_CLASSES)):
            raise InputError(
                f"the label pattern {pattern!r} matches no word and no number below {MAX_CLASSES} "
                f"in {path}: change it"
            )
    return of_words(words, "labels")


def by_folder(paths: Paths, splits: Mapping[str, str], where: object) -> Classes:
    """The folders, sorted, are the classes; a split's folder is none. No labels if there are no
    folders. In a split whose images are all in no folder, they have no label.

    Args:
      splits: name -> split; empty if folders are no splits.
      where: the set, for messages.

    Raises:
      InputError: images in folders and beside them.
    """
    folders, flat = {}, defaultdict(set)
    for name, path in paths.items():
        folder = PurePosixPath(*path.parts[1 if name in splits else 0 : -1]).as_posix()
        folders[name] = "" if folder == "." else folder
        flat[splits.get(name, "")].add(folder == ".")
    for split, kinds in flat.items():
        if len(kinds) > 1:
            inside = f"{where}/{split}" if split else where
            raise InputError(
                f"{inside} has images in folders, which are classes, and others beside these "
                "folders: put all or none into folders"
            )
    return of_names(list(folders.values()))


def by_rows(paths: Paths, rows: Mapping[str, str], file: str) -> tuple[Classes, str]:
    """The classes that a file of labels has of images, which it names by their path, or by the end
    of it, or without its suffix; and a line about what it leaves open, or "".

    Args:
      rows: see `label_files.rows_of`; several tables in one have whole paths.
      file: its name, for messages.

    Raises:
      InputError: it names no image, or one that could be several.
    """
    exact = {str(path): name for name, path in paths.items()} | {name: name for name in paths}
    # Of 200,000 images it is large, and most tables have whole paths.
    ends = {} if rows.keys() <= exact.keys() else _by_end(paths)
    words, unknown = dict.fromkeys(paths, ""), []
    for row, label in rows.items():
        found = [exact[row]] if row in exact else ends.get(row, [])
        if len(found) > 1:
            raise InputError(
                f"{file} names {row}, which could be {found[0]} or {found[1]}: write its path"
            )
        if not found:
            unknown.append(row)
        elif words[found[0]] not in ("", label):
            raise InputError(f"{file} has two rows of {found[0]} with two classes: leave one")
        else:
            words[found[0]] = label
    if len(unknown) == len(rows):
        name = next(iter(paths))
        raise InputError(f"{file} names {unknown[0]} and no image of the set, such as {name}")
    without = sum(not word for word in words.values())
    notes = []
    if without:
        notes.append(f"{without} of {len(paths)} images have no label in {file}")
    if unknown:
        notes.append(f"{len(unknown)} rows of {file} name no image, the first {unknown[0]}")
    return of_words(list(words.values()), "labels"), "; ".join(notes)


def _by_end(paths: Paths) -> dict[str, list[str]]:
    """The names whose path, with or without its suffix, ends so."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, path in paths.items():
        for i in range(len(path.parts)):
            end = PurePosixPath(*path.parts[i:])
            for key in (str(end), str(end.with_suffix(""))):
                found[key].append(name)
    return found
