"""A command-line parser whose errors are InputErrors, one line each."""

import argparse
from typing import Any

from iae_jax.errors import InputError


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise InputError(f"{message}: see --help")
