"""Ten thousand configs and command lines that hypothesis makes up, in this process.

Each is refused in one line with exit code 2 and leaves nothing behind, or is trained. What is bad
is known by how it was made, not by asking the code.
"""

import dataclasses
import functools
import math
from pathlib import Path

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from test_launch import launch

import iae_jax.runs.train
from iae_jax.data.limits import Limits
from iae_jax.data.sources import open_within
from iae_jax.game.game import TURNS
from iae_jax.game.step import init, train_step
from iae_jax.objectives.grid import RECONSTRUCTIONS, REGULARIZATIONS
from iae_jax.objectives.scoring import SCORINGS
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.types import Labelled

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parent / "tiny.py"
PLAYERS = ("encoder", "generator", "reconstruction", "regularization")


def leaves(part, prefix=""):
    """(dotted field, default) of every field of a config."""
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


FIELDS = dict(leaves(Config()))
BY_TYPE = {
    kind: [name for name, value in FIELDS.items() if type(value) is kind]
    for kind in (int, float, str, bool, tuple)
}
assert sum(map(len, BY_TYPE.values())) == len(FIELDS)
# Texts that are no free choice: a kind, a name.
NAMES = [
    name
    for name in BY_TYPE[str]
    if name.split(".")[-1]
    in (
        "kind",
        "decay",
        "precision",
        "scoring",
        "turns",
        "noise_at",
        "likelihood",
        "r1_on",
        "discriminator",
    )  # fmt: skip
]
AT_LEAST_1 = [
    "steps",
    "batch_size",
    "run.steps_per_call",
    "run.log_steps",
    "run.validate_steps",
    "run.figure_steps",
    "run.checkpoint_steps",
    "run.keep",
    "run.microbatches",
    "run.seeds",
    "auxiliary.marginal.examples_per_component",
    *(f"{player}.network.{size}" for player in PLAYERS for size in ("width", "hidden", "depth")),
]
AT_LEAST_0 = [name for name in BY_TYPE[int] if not name.startswith("data.")]
POSITIVE = [f"{player}.optimizer.rate" for player in PLAYERS]
FINITE = [name for name in BY_TYPE[float] if not name.startswith("affine.")]

word = st.text("abcdefghijklmnopqrstuvwxyz_-.:/%[]{}'\"\\ éß", max_size=12)
number = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.sampled_from((-1, 0, 1, 2, 3)))


def setting(names, values):
    return st.builds("--config.{}={}".format, st.sampled_from(names), values)


def not_of(kind):
    """A text that is no value of a type."""

    def refused(text):
        try:
            kind(text)
        except ValueError:
            return True
        return False

    return word.filter(refused)


bad_settings = st.one_of(
    st.builds(
        "--config.{}={}".format,
        st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,2}", fullmatch=True).filter(
            lambda name: not any(f"{field}.".startswith(f"{name}.") for field in FIELDS)
        ),
        number,
    ),
    setting(BY_TYPE[int], not_of(int)),
    setting(BY_TYPE[float], not_of(float)),
    setting(BY_TYPE[bool], word.filter(lambda text: text not in "truefalse10")),
    setting(NAMES, word.map(lambda text: f"no_{text}")),
    setting(AT_LEAST_1, st.integers(-(2**62), 0)),
    setting(AT_LEAST_0, st.integers(-(2**62), -1)),
    setting(AT_LEAST_1[:10], st.integers(2**31, 2**62)),
    setting(["run.resident_megabytes", "code.size", "generator.noise"], st.integers(2**31, 2**62)),
    setting(POSITIVE, st.floats(max_value=0)),
    setting(FINITE, st.sampled_from((math.nan, math.inf, -math.inf))),
    setting(["data.name"], word.map(lambda text: f"absent{text}")),
    setting(["data.train", "data.validation"], word.map(lambda text: f"absent{text}")),
)
bad_words = st.one_of(
    st.from_regex(r"--[a-z]{1,12}=?[a-z0-9]{0,4}", fullmatch=True).map(
        lambda flag: flag.replace("--", "--un", 1)
    ),
    word.filter(lambda text: text and not text.startswith("-")),
    st.builds("--mode={}".format, word.map(lambda text: f"no_{text}")),
    st.builds(
        "--count={}".format,
        st.one_of(st.integers(max_value=0), st.integers(min_value=10**8), not_of(int)),
    ),
    st.builds("--join_seconds={}".format, st.integers(max_value=0) | st.integers(10**6)),
    # One with a port would be waited for.
    st.builds("--coordinator={}".format, word.filter(lambda text: text and ":" not in text)),
    st.just("--workdir="),
    st.builds("--process={}".format, st.integers(max_value=-2)),
    st.just("--config=tests/absent.py"),
    st.builds(f"--config={CONFIG}:{{}}".format, word.map(lambda text: f"no_{text}")),
)
plausible = st.one_of(
    setting(
        [name for name in BY_TYPE[int] if name.startswith(("code.", "enc", "gen"))],
        st.integers(0, 4),
    ),
    setting(
        [
            name
            for name in FIELDS
            if name.startswith("auxiliary.") and name.endswith("weight.value")
        ],
        st.just(0.5),
    ),
    *(
        setting([f"{side}.{field}" for side in sides], st.sampled_from(values))
        for sides, field, values in (
            (["reconstruction"], "kind", sorted(RECONSTRUCTIONS)),
            (["regularization"], "kind", sorted(REGULARIZATIONS)),
            (["reconstruction", "regularization"], "scoring", sorted(SCORINGS)),
            (["reconstruction", "regularization"], "r1_on", ["numerator", "denominator"]),
            (["encoder"], "kind", ["deterministic", "gaussian", "implicit"]),
            (["generator"], "noise_at", ["input", "depth"]),
            (["generator"], "likelihood", ["none", "bernoulli", "gaussian"]),
            ([f"{player}.network" for player in PLAYERS], "kind", ["mlp", "conv"]),
            ([f"{player}.network" for player in PLAYERS], "precision", ["float32", "bfloat16"]),
        )
    ),
    setting(["turns"], st.sampled_from(sorted(TURNS))),
    setting(["data.labels_per_class"], st.sampled_from((-1, 2))),
    setting(["reconstruction.labelled_share", "ema"], st.sampled_from((0.0, 0.5))),
)
any_setting = setting(list(FIELDS), st.one_of(number, word))


class Trained(BaseException):
    """The command has found nothing to refuse."""


@pytest.fixture(scope="module", autouse=True)
def no_training(module_patch, tmp_path_factory):
    def workdir(path, config, *_):
        raise Trained(config)

    module_patch.setattr(iae_jax.runs.train, "Workdir", workdir)
    # Most of the time would go into opening the same few splits; an error is not kept.
    opened = functools.cache(functools.partial(open_within, Limits()))
    module_patch.setattr("iae_jax.runs.data_sets.open_within", lambda _, *given: opened(*given))
    module_patch.chdir(tmp_path_factory.mktemp("here"))  # run.cache may be any folder


@pytest.fixture(scope="module")
def module_patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def examples(count):
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def refused(workdir, words):
    """Whether the command is; it has to be in one line, and to leave nothing."""
    try:
        code, out, lines = launch(f"--config={CONFIG}", f"--workdir={workdir}", *words)
    except Trained:
        return False
    assert code == 2 and not out, (code, out, lines)
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    assert not workdir.exists() and not list(workdir.parent.iterdir())
    return True


@examples(5000)
@given(bad=bad_settings, others=st.lists(any_setting, max_size=2))
def test_a_bad_setting_is_refused(tmp_path, bad, others):
    # The last of a field counts.
    assert refused(tmp_path / "run", [*others, bad]), bad


@examples(2500)
@given(bad=bad_words, others=st.lists(any_setting, max_size=2), last=st.booleans())
def test_a_bad_word_is_refused(tmp_path, bad, others, last):
    assert refused(tmp_path / "run", [*others, bad] if last else [bad, *others]), bad


def test_any_settings_are_refused_or_trained(tmp_path):
    outcomes = set()

    @examples(2500)
    @given(words=st.lists(any_setting, min_size=1, max_size=4))
    def check(words):
        outcomes.add(refused(tmp_path / "run", words))

    check()
    assert outcomes == {True, False}


def test_what_is_not_refused_can_be_traced(tmp_path):
    """Of fields that decide which program is compiled, with values that may go together."""
    traced = []

    @examples(60)
    @given(words=st.lists(plausible, min_size=1, max_size=3))
    def check(words):
        try:
            launch(f"--config={CONFIG}", f"--workdir={tmp_path / 'run'}", *words)
        except Trained as trained:
            (config,) = trained.args
            game = build(config, (8, 8, 1))
            state = jax.eval_shape(lambda: init(game, jax.random.key(0)))
            x = jax.ShapeDtypeStruct((config.batch_size, 8, 8, 1), jnp.float32)
            labelled = None
            if "labelled" in game.sources:
                labelled = Labelled(jnp.zeros((20, 8, 8, 1)), jnp.zeros(20, jnp.int32))
            step = functools.partial(train_step, game)
            _, metrics = jax.eval_shape(step, state, x, None, labelled)
            assert all(metric.shape == () for metric in metrics.values())
            traced.append(words)

    check()
    assert len(traced) > 10
