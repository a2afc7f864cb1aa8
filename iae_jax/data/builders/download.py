"""Downloads of a TFDS builder, one file after the other as in `mnist`."""

from collections.abc import Iterator
from typing import Any

Examples = Iterator[tuple[int, dict[str, Any]]]


def downloaded(builder: Any, dl_manager: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """File name -> path."""
    urls = {info.filename: url for url, info in builder.url_infos.items()}
    return {name: dl_manager.download(urls[name]) for name in names}
