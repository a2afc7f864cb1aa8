"""AVB's four points, the grid of cells and the priors of AAE at toy size: what is measured of each
variant, the figures, and the way from a config to the numbers of several seeds."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import aae_priors, avb_four_points, elbo_grid
from iae_jax import (
    Discriminator,
    Encoder,
    Encoding,
    Game,
    Generator,
    InputError,
    Players,
    cell,
    init,
)
from iae_jax.data import load
from iae_jax.metrics import converged, quadrature
from iae_jax.metrics.evaluate import named
from iae_jax.metrics.measurement import Trained
from iae_jax.presets.avb_four_points import points
from iae_jax.runs.build import build
from iae_jax.runs.data_sets import open_split
from iae_jax.runs.evaluation import evaluate_run
from iae_jax.runs.train import train
from iae_jax.sampling import priors

PNG = b"\x89PNG\r\n\x1a\n"
# Of each experiment: a variant that is trained here, others that are measured as they start, what
# the config measures, and its numbers by name with their n.
PROBLEMS = {
    "avb_four_points": (
        avb_four_points, "avb", ("vae",), "measure(samples=50)",
        {"log_likelihood": 4, "reconstruction_error": 200, "kl_qz_pz": 200, "kl_qzx_pz": 200,
         "elbo": 200},
    ),
    "elbo_grid": (
        elbo_grid, "joint_reconstruction/marginal_code",
        ("likelihood/none", "likelihood/joint_code", "marginal_data/none"),
        "measure(converge_steps=4, converge_batch_size=16, samples=200)",
        dict.fromkeys(
            ("elbo_gap", "reconstruction", "reconstruction_exact", "regularization",
             "regularization_exact", "sample_divergence"),
            200,
        ),
    ),
    "aae_priors": (
        aae_priors, "swiss_roll", (), "keep_codes", dict.fromkeys(aae_priors.SHOWN, 60),
    ),
}  # fmt: skip


def toy(module, variant, measure):
    """A variant for a few steps, with small networks and few held-out examples."""
    config = module.get_config(variant)
    name = module.__name__.replace("experiments", "iae_jax.presets")
    config.steps, config.batch_size, config.run.steps_per_call = 4, 16, 2
    config.run.log_steps = config.run.checkpoint_steps = 2
    config.run.validate_steps = config.run.figure_steps = 4
    config.data.train, config.data.test = "train[:60]", "test[:60]"
    config.data.validation = "validation[:60]"
    config.metrics = (f"{name}:{measure}",)
    if module is aae_priors:
        config.data.name = f"{name}:binarized(name='digits')"
        config.data.validation = "train[:60]"
    for player in config.players:
        player.network.hidden = 8
        player.optimizer.warmup_steps = min(1, player.optimizer.warmup_steps)
    return config


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_an_experiment_at_toy_size(name, tmp_path, monkeypatch):
    """Two seeds at once are trained, continued and evaluated as every run is; every number that is
    promised is there, once a seed; and the figure is drawn."""
    module, variant, others, measure, promised = PROBLEMS[name]
    monkeypatch.setattr(quadrature, "NODES", 12)
    config = toy(module, variant, measure)
    config.seed, config.run.seeds = 5, 2
    train(config, tmp_path)
    assert train(config, tmp_path).step == config.steps  # there is nothing left to do
    records = json.loads(evaluate_run(config, tmp_path, "latest", "test").read_text())["records"]
    for seed in (5, 6):
        own = {one["metric"]: one for one in records if one["seed"] == seed}
        assert {name: own[name]["n"] for name in promised} == promised
        assert all(np.isfinite(own[name]["value"]) for name in promised)
    runs = dict.fromkeys(module.preset.VARIANTS, tmp_path)
    for other in others:
        runs[other] = tmp_path / other.replace("/", "_")
        runs[other].mkdir()
        found = measured(toy(module, other, measure), runs[other])
        assert {name: found[name].n for name in promised} == promised
        assert all(np.isfinite(one.value) for one in found.values())
    picture = tmp_path / "figure.png"
    module.draw(picture, runs)
    assert picture.read_bytes().startswith(PNG)


def measured(config, folder):
    """The config's own numbers of a model that is not trained."""
    source = open_split(config, "test")
    game, (x, labels) = build(config, source.shape, source.values), load(source)
    params = jax.jit(lambda key: init(game, key))(jax.random.key(3)).ema
    (measure,) = named(config.metrics)
    return {one.name: one for one in measure(Trained(game, params, x, labels, folder=folder))}


@pytest.mark.parametrize("module", [avb_four_points, aae_priors])
def test_every_variant_can_be_built(module):
    shape = {avb_four_points: (4,), aae_priors: (28, 28, 1)}[module]
    for variant in module.preset.VARIANTS:
        assert build(module.get_config(variant), shape).networks.encoder is not None
    with pytest.raises(InputError, match="a variant is one of"):
        module.get_config("another")


def test_the_cell_of_a_game():
    for variant in elbo_grid.preset.VARIANTS:
        config = elbo_grid.get_config(variant)
        assert "/".join(converged.cell_of(build(config, (2,), "real"))) == variant


def test_discriminators_alone_are_trained_further():
    """Encoder and generator stay; discriminators go on from where they are; E[T] of two Gaussians
    becomes their KL."""
    shift = jnp.array([1.0, 0.5])
    identity = Encoder(
        lambda key: {"shift": shift},
        lambda params, x, noise: Encoding(vector=x + params["shift"]),
        0,
    )
    # T = a.z + c holds the optimum, the log ratio of N(shift, I) and N(0, I).
    linear = Discriminator(
        lambda key: {"a": jnp.zeros(2), "c": jnp.zeros(())},
        lambda params, x, z: (z @ params["a"] + params["c"])[:, None],
        ("z",),
    )
    nothing = Generator(
        lambda key: {},
        lambda params, z, noise: z.vector,
        0,
        lambda params, z, x: jnp.zeros(len(x)),
    )
    networks = Players(identity, nothing, None, linear)
    objective = cell("likelihood", "marginal_code", regularization_weight=0.3)
    game = Game(networks, priors.gaussian(2), objective, Players())

    def sample(key, count):
        return jax.random.normal(key, (count, 2))

    training = converged.Training(steps=400, batch_size=256, rate=0.05)
    solo = converged.frozen(game, training)
    params = Players({"shift": shift}, {}, None, {"a": jnp.full(2, 3.0), "c": jnp.zeros(())})
    trained = Trained(game, params, np.zeros((1, 2), np.float32), seed=1)
    early = converged.converged(solo, trained, training._replace(steps=1), sample)
    assert np.all(np.abs(early.params.regularization_discriminator["a"] - 3.0) < 0.1)
    state = converged.converged(solo, trained, training, sample)
    np.testing.assert_array_equal(state.params.encoder["shift"], shift)
    found = converged.estimates(solo, state, sample, 20_000, jax.random.key(2))
    assert found["regularization"] == pytest.approx(0.5 * 1.25, abs=0.05)
    assert found["reconstruction"] == 0.0


def test_the_four_points():
    source = points("test[:400]")
    x, labels = load(source)
    np.testing.assert_array_equal(x, np.eye(4)[labels])
    assert min(np.bincount(labels, minlength=4)) > 70
