"""Kinds: how a config names a function or a value, its own or anybody's, with arguments.

gaussian                        a name in a table of the package
swiss_roll(turns=1.5)           the same with keyword arguments, Python literals
my_priors:ring(radius=3.0)      an object of any module that can be imported
"""

import ast
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from iae_jax.errors import InputError, first_line

T = TypeVar("T")


def lookup(kind: str, table: Mapping[str, Any], what: str) -> tuple[Any, dict[str, Any]]:
    """The object that a kind names, and its keyword arguments.

    Args:
      kind: as above.
      table: the package's own, by name.
      what: the kind of what, as in "prior.kind"; begins an error's message.

    Raises:
      InputError: no such name, a module that cannot be imported, or arguments that are not
        `name=literal`.
    """
    target, parenthesis, rest = kind.partition("(")
    try:
        call = ast.parse(f"f({rest}" if parenthesis else "f()", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError("this is no name with keyword arguments")
        if any(word.arg is None for word in call.keywords):
            raise ValueError("this has **arguments")
        arguments = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{what} is NAME or NAME(field=value, ...), not {kind!r}") from error
    module, colon, name = target.strip().rpartition(":")
    if not colon:
        if name not in table:
            own = f"one of {', '.join(table)}, or MODULE:NAME" if table else "MODULE:NAME"
            raise InputError(f"{what} is {own}, not {name!r}")
        return table[name], arguments
    try:
        found = importlib.import_module(module)
    except Exception as error:  # a module's own code can raise anything
        raise InputError(
            f"{what}: cannot import {module!r} ({type(error).__name__}: {first_line(error)}): it "
            "has to lie in the folder you start from, beside the config, or be installed"
        ) from error
    if not hasattr(found, name):
        raise InputError(f"{what}: the module {module} has no {name!r}")
    return getattr(found, name), arguments


def made(kind: str, table: Mapping[str, Any], what: str, *context: Any, **options: Any) -> Any:
    """What the named function returns, called with `context`, `options` and the kind's own
    arguments, which win.

    Raises:
      InputError: as `lookup`, or the function does not take these arguments, or takes numbers or
        texts of another type.
    """
    function, arguments = lookup(kind, table, what)
    if not callable(function):
        raise InputError(f"{what}: {kind!r} is not a function")
    _check_types(function, arguments, what)
    try:
        call = partial(function, *context, **(options | arguments))
        return call()
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise  # from inside the function
        raise InputError(f"{what}: {kind!r} cannot be called so: {first_line(error)}") from error


def is_of(value: Any, wanted: type) -> bool:
    """Whether a value is of a type; a whole number is a float, and True is no number."""
    return type(value) is wanted or (wanted is float and type(value) is int)


def _check_types(function: Callable[..., Any], arguments: Mapping[str, Any], what: str) -> None:
    try:
        parameters = inspect.signature(function, eval_str=True).parameters
    except Exception:  # one that says nothing of its arguments, or nothing that can be read
        return
    for name, value in arguments.items():
        wanted = parameters[name].annotation if name in parameters else None
        if wanted in (bool, int, float, str) and not is_of(value, wanted):
            raise InputError(f"{what}: {name} is of type {wanted.__name__}, not {value!r}")


def instance(expected: type[T], kind: str, table: Mapping[str, Any], what: str, *context: Any) -> T:
    """An object of the expected type: the one that a kind names, or the one that the function that
    it names returns, called as by `made`.

    Raises:
      InputError: as `made`, or it is of another type.
    """
    found, arguments = lookup(kind, table, what)
    if not isinstance(found, expected):
        found = made(kind, table, what, *context)
    elif arguments:
        raise InputError(f"{what}: {kind!r} names an object, which takes no arguments")
    if not isinstance(found, expected):
        raise InputError(
            f"{what}: {kind!r} gives {type(found).__name__}, and {expected.__name__} is needed"
        )
    return found
