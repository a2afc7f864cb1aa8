"""The texts of the config's fields, which are those of its docstrings, and fields that are not
there."""

import dataclasses
from dataclasses import dataclass, field

import pytest

from iae_jax import Config
from iae_jax.errors import InputError
from iae_jax.objectives.weights import Weight
from iae_jax.runs.config_help import check_fields, config_help, fields_of, texts_of
from iae_jax.runs.saved_config import from_dict


@dataclass
class Inner:
    """The inner one. depth: how deep, if at
    all; see `size: of` no field."""

    depth: int = 3


@dataclass
class Outer:
    """The outer one.

    size, size_of_steps: of two fields. other: last
    of its paragraph.

    What follows is of the class. kind: a name.
    """

    size: int = 1
    size_of_steps: float = 2.5
    other: str = "x"
    kind: str = ""
    inner: Inner = field(default_factory=Inner)
    silent: bool = False


def test_the_texts_of_a_docstring():
    """By hand."""
    assert texts_of(Outer) == {
        "": "The outer one. What follows is of the class.",
        "size": "of two fields.",
        "size_of_steps": "of two fields.",
        "other": "last of its paragraph.",
        "kind": "a name.",
    }
    assert list(fields_of(Outer())) == [
        ("size", 1, "of two fields."),
        ("size_of_steps", 2.5, "of two fields."),
        ("other", "x", "last of its paragraph."),
        ("kind", "", "a name."),
        ("inner", None, "The inner one."),
        ("inner.depth", 3, "how deep, if at all; see `size: of` no field."),
        ("silent", False, ""),
    ]


def leaves(part, prefix=""):
    """Dotted names and values of a nested dictionary."""
    for name, value in part.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def test_every_field_of_the_config_has_a_text_and_its_default():
    found = list(fields_of(Config()))
    plain = dict(leaves(dataclasses.asdict(Config())))
    assert {name: default for name, default, _ in found if default is not None} == plain
    assert len(plain) > 120 and plain["auxiliary.marginal.weight.value"] == 0.0
    assert [name for name, _, text in found if len(text) < 5] == []
    # A text that is another field's would begin in the middle of a sentence.
    assert [name for name, _, text in found if not text.rstrip(")").endswith(".")] == []
    text = config_help()
    assert "\nregularization.weight: float = 1.0\n    of the whole term, for encoder" in text
    assert "\nauxiliary.sleep.weight.start_steps: int = 0\n    how many steps.\n" in text
    assert "\ndata.train: str = ''\n" in text and "\ncode\n    z, " in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("part", "name", "message"),
    [
        ("", "batchsize", r"no config field 'batchsize' in Config \(do you mean batch_size\?\)"),
        ("encoder.optimizer", "ratte", r"in Optimizer \(do you mean rate\?\): it has kind, rate"),
        ("auxiliary.sleep", "wight", r"in SleepLoss \(do you mean weight\?\)"),
        ("auxiliary.consistency.weight", "stop", "in Weight"),
        ("affine", "angle", r"in Affine \(do you mean scale\?\): it has rotation, scale"),
        ("diffaugment", "bluring", "do you mean blur"),
        ("run", "seed", r"do you mean seeds\?"),
        ("data", "classes", "in Data"),
    ],
)
def test_a_field_that_does_not_exist_cannot_be_set(part, name, message):
    config = Config()
    section = config
    for step in filter(None, part.split(".")):
        section = getattr(section, step)
    with pytest.raises(InputError, match=message):
        setattr(section, name, 1)
    assert config == Config() and name not in vars(section)
    nested = {name: 1}
    for step in reversed([*filter(None, part.split("."))]):
        nested = {step: nested}
    with pytest.raises(InputError, match=message):
        from_dict(nested)


def test_fields_can_be_set_and_replaced():
    weight = dataclasses.replace(Weight(2.0), start=3.0)
    weight.start_steps = 7
    assert (weight.value, weight.start, weight.start_steps) == (2.0, 3.0, 7)


def test_an_unknown_dotted_field_is_named_with_the_nearest():
    check_fields(["code.size", "auxiliary.labels.augment"])
    for name, near in (
        ("code.sise", r"\(do you mean code.size\?\)"),
        ("generator.optimizer.learning_rate", r"\(do you mean generator.optimizer"),
        ("encoder.optimizer", "encoder.optimizer"),  # a section
    ):
        with pytest.raises(InputError, match=f"there is no config field {name}.*{near}.*--help_co"):
            check_fields(["code.size", name])
