"""What the records of each family are, from the first lines of its file."""

import inspect

from iae_jax.metrics.evaluate import FAMILIES

BEGIN = "Records."


def definitions() -> list[tuple[str, str]]:
    """(title, text) of each family; the text says what its records are, by their names."""
    found = []
    for family in FAMILIES:
        title, *paragraphs = inspect.cleandoc(family.__doc__ or "").split("\n\n")
        (records,) = (one for one in paragraphs if one.startswith(BEGIN))
        found.append((title.replace("\n", " "), " ".join(records.split()).removeprefix(BEGIN)[1:]))
    return found
