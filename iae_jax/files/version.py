"""The version of the package, which pyproject.toml reads here."""

VERSION = "0.1.0"
