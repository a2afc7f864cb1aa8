"""Code of one's own that does not fit is refused in one line before anything is written; code that
fits is taken, whichever way it is written."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from test_launch import launch

from iae_jax import Code, Config, InputError, Losses, Metric, Prior, Scoring, Weight
from iae_jax.game.game import losses
from iae_jax.game.step import init
from iae_jax.runs.build import build
from iae_jax.runs.setup import set_up
from iae_jax.sampling.noise import Noise, example_keys

NUMBER = itertools.count()
SHAPE = (8, 8, 1)


@dataclasses.dataclass(frozen=True)
class Loss:
    """|z| over the vector, unless it is told to return something else."""

    weight: object = dataclasses.field(default_factory=lambda: Weight(1.0))
    name: object = "own"
    returns: str = "numbers"

    def loss(self, draws):
        numbers = jnp.abs(draws.z.vector).sum(axis=-1)
        return {
            "numbers": numbers,
            "matrix": jnp.stack([numbers, numbers]),
            "nothing": None,
            "integers": jnp.zeros(len(numbers), jnp.int32),
        }[self.returns]


def mixture(size, width=0):
    """A prior that learns: one of four means, by a number that is drawn."""

    def sample(params, drawn):
        component, normal = drawn
        return Code(vector=params["mean"][component] + jnp.pad(normal, ((0, 0), (0, width))))

    def draw(key):
        first, second = jax.random.split(key)
        return jax.random.randint(first, (), 0, 4), jax.random.normal(second, (size,))

    return Prior(draw, sample, size, init=lambda key: {"mean": jax.random.normal(key, (4, 1))})


def doubled(factor=2.0):
    def both(a, b):
        return Losses(factor * (jax.nn.softplus(-a) + jax.nn.softplus(b)), -a, b)

    return Scoring("doubled", both)


OWN = {
    "Loss": Loss,
    "loss": Loss(name="ready"),
    "mixture": mixture,
    "wide": lambda size: mixture(size, width=1),
    "vector": lambda size: Prior(
        lambda key: jax.random.normal(key, (size,)), lambda params, drawn: drawn, size
    ),
    "doubled": doubled,
    "ready": doubled(2.0),
    "word": Metric("own_error", lambda inputs: inputs.draws.x.mean((1, 2, 3)), reads=("nosuch",)),
    "five": lambda *_: 5,
    "nothing": lambda *_: None,
}


@pytest.fixture
def module(monkeypatch):
    """The name of a module of one's own that holds OWN."""
    import sys
    import types

    found = types.ModuleType(f"own_{next(NUMBER)}")
    vars(found).update(OWN)
    monkeypatch.setitem(sys.modules, found.__name__, found)
    return found.__name__


def built(**changes):
    config = tiny.get_config()
    for name, value in changes.items():
        *parts, last = name.split("__")
        part = config
        for one in parts:
            part = getattr(part, one)
        setattr(part, last, value)
    return config, build(config, SHAPE)


def losses_of(game):
    params = init(game, jax.random.key(1)).params
    x = jax.random.uniform(jax.random.key(2), (6, *SHAPE))
    return losses(game, params, Noise(example_keys(jax.random.key(3), 0, 6)), {"x": x}, 0)


def test_a_prior_that_learns_may_look_its_parameters_up(module):
    _, game = built(prior__kind=f"{module}:mixture")
    params = init(game, jax.random.key(1)).params
    assert params.generator["prior"]["mean"].shape == (4, 1)


def test_the_weight_of_a_loss_is_a_number_of_its_kind(module):
    _, metrics = losses_of(built(auxiliary__others=(f"{module}:Loss(weight=0.5)",))[1])
    _, twice = losses_of(built(auxiliary__others=(f"{module}:Loss(weight=1)",))[1])
    np.testing.assert_allclose(2 * metrics["own"], twice["own"], rtol=1e-6)
    assert metrics["own"].min() > 0


def test_an_object_is_as_good_as_what_makes_it(module):
    config, game = built(auxiliary__others=(f"{module}:loss",))
    assert [loss.name for loss in game.objective.auxiliary] == ["ready"]
    values = [
        losses_of(built(reconstruction__scoring=f"{module}:{kind}")[1])[1]
        for kind in ("ready", "doubled", "doubled(factor=2.0)", "doubled(factor=4.0)")
    ]
    discriminator = [float(one["reconstruction_discriminator"].mean()) for one in values]
    assert discriminator[0] == discriminator[1] == discriminator[2]
    assert discriminator[3] == pytest.approx(2 * discriminator[0])


REFUSED = {
    "a matrix": (
        {"auxiliary__others": "Loss(returns='matrix')"},
        r"the loss own is float32\[2, 16\]",
    ),
    "nothing": ({"auxiliary__others": "Loss(returns='nothing')"}, "the loss own is NoneType"),
    "integers": ({"auxiliary__others": "Loss(returns='integers')"}, r"own is int32\[16\]: return"),
    "a weight": (
        {"auxiliary__others": "Loss(weight='x')"},
        "weight of .* is an iae_jax.Weight",
    ),
    "below 0": ({"auxiliary__others": "Loss(weight=-1)"}, "the weight of own.value is at least 0"),
    "a name": ({"auxiliary__others": "Loss(name=5)"}, "is a text, not 5"),
    "a term": ({"auxiliary__others": "Loss(name='reconstruction')"}, "as a metric is: rename it"),
    "a norm": ({"auxiliary__others": "Loss(name='gradient_norm')"}, "as a metric is: rename it"),
    "width": ({"prior__kind": "wide"}, "whose vector has 4 components, and not 3"),
    "no code": ({"prior__kind": "vector"}, "samples .*: return a Code"),
    "no encoder": ({"encoder__kind": "five"}, "encoder.kind: .* gives int, and Encoder is needed"),
    "none": ({"generator__kind": "nothing"}, "generator.kind: .* gives NoneType, and Generator"),
    "no scoring": ({"reconstruction__scoring": "Loss"}, "scoring: .* gives Loss, and Scoring"),
    "no optimizer": ({"encoder__optimizer__kind": "five"}, "gives int, and GradientTransformation"),
    "arguments": ({"reconstruction__scoring": "ready(factor=1)"}, "takes no arguments"),
    "one of ours": ({"reconstruction__scoring": "kl(x=1)"}, "takes no arguments"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused_when_the_game_is_built(module, what):
    changes, message = REFUSED[what]
    given = {
        name: (f"{module}:{kind}",) if name == "auxiliary__others" else f"{module}:{kind}"
        for name, kind in changes.items()
    }
    if what == "one of ours":
        given = changes
    with pytest.raises(InputError, match=message) as error:
        built(**given)
    assert "\n" not in str(error.value)


def test_what_is_measured_later_is_looked_at_now(module, data_directory):
    config = tiny.get_config()
    config.data.directory, config.metrics = data_directory, (f"{module}:word",)
    with pytest.raises(InputError, match="metric own_error reads 'nosuch': choose from enc"):
        set_up(config)


def test_a_set_that_no_loss_reads_is_refused(data_directory):
    config = tiny.get_config()
    config.data.directory, config.data.also = data_directory, ("y=digits",)
    with pytest.raises(InputError, match="no loss reads 'y': leave it out of data.also"):
        set_up(config)


def test_a_section_of_another_type_is_refused():
    config = Config()
    config.code = config.run
    with pytest.raises(InputError, match="code is a Code, not Run"):
        build(config, SHAPE)


def test_a_refused_run_leaves_nothing_behind(tmp_path, monkeypatch):
    (tmp_path / "own_optimizer.py").write_text("def five(rate, b1, b2):\n    return 5\n")
    monkeypatch.syspath_prepend(tmp_path)
    code, out, err = launch(
        f"--config={tiny.__file__}",
        f"--workdir={tmp_path / 'run'}",
        "--config.encoder.optimizer.kind=own_optimizer:five",
    )
    assert code == 2 and not out and len(err) == 1, err
    assert not (tmp_path / "run").exists()
