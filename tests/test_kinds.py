"""How a config names functions: by a table or by a module, with literal arguments."""

import sys
import types

import pytest

from iae_jax.errors import InputError
from iae_jax.kinds import lookup, made


def area(width, height=2, unit="m"):
    return f"{width * height} {unit}"


def broken(width):
    return width + "a"


def volume(side: int = 1, power: float = 3.0):
    return side**power


TABLE = {"area": area, "broken": broken, "three": 3, "volume": volume}


@pytest.fixture
def module():
    found = types.ModuleType("a_module_of_tests")
    found.volume = lambda side, power=3: side**power
    sys.modules["a_module_of_tests"] = found
    yield
    del sys.modules["a_module_of_tests"]


def test_a_name_of_the_table_with_and_without_arguments():
    assert lookup("area", TABLE, "shape") == (area, {})
    assert lookup("area(height=-5, unit='km')", TABLE, "shape") == (
        area, {"height": -5, "unit": "km"},
    )  # fmt: skip
    assert made("area(height=5)", TABLE, "shape", 7) == "35 m"
    assert made("area(height=5)", TABLE, "shape", 7, height=100, unit="cm") == "35 cm"


def test_a_whole_number_is_a_number():
    assert made("volume(side=3, power=2)", TABLE, "shape") == 9


def test_an_object_of_a_module(module):
    assert made("a_module_of_tests:volume(power=2)", TABLE, "shape", 5) == 25


@pytest.mark.parametrize(
    "kind,message",
    [
        ("length", "shape is one of area, broken, three, volume, or MODULE:NAME, not 'length'"),
        ("area(3)", "NAME or NAME"),
        ("area(height=f(3))", "NAME or NAME"),
        ("area(**{'a': 3})", "NAME or NAME"),
        ("area(height=3", "NAME or NAME"),
        ("area(height=3) + 1", "NAME or NAME"),
        ("no_such_module_here:ring", "cannot import 'no_such_module_here'"),
        ("json:ring", "the module json has no 'ring'"),
        ("volume(side=True)", "shape: side is of type int, not True"),
        ("volume(side='2')", "shape: side is of type int, not '2'"),
        ("volume(power=True)", "shape: power is of type float, not True"),
        ("area(depth=3)", "cannot be called so: .*depth"),
        ("three", "is not a function"),
        ("", "shape is one of"),
    ],
)
def test_what_names_nothing_is_refused(kind, message):
    with pytest.raises(InputError, match=message):
        made(kind, TABLE, "shape", 7)


def test_an_error_inside_the_function_is_its_own():
    with pytest.raises(TypeError, match="unsupported operand"):
        made("broken", TABLE, "shape", 7)
