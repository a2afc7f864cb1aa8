"""What terms and losses read, which players a config's game has, and that no value leaks out of a
trace or is computed twice.

Oracles: a table by hand; JAX's search for leaks; the operations of a step of the first edition,
which computed everything once before any term.
"""

import games
import jax
import jax.numpy as jnp
import pytest
import recorded_games

from experiments import mnist_reconstruction, semisupervised
from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.game.check import check, inspect
from iae_jax.game.step import init, train_step
from iae_jax.objectives import scoring
from iae_jax.objectives.adversarial import Adversary
from iae_jax.objectives.auxiliary import (
    CodeInformation,
    ConditionalEntropy,
    LabelCrossEntropy,
    MarginalKL,
    SleepLoss,
)
from iae_jax.objectives.code_distances import CramerWold, SlicedWasserstein
from iae_jax.objectives.consistency import Consistency
from iae_jax.objectives.grid import ALONE, cell
from iae_jax.objectives.prior_fit import PriorFit
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.sampling.draws import Reads
from iae_jax.types import Augment, Labelled

B = 6
BATCH = {
    "x": jax.ShapeDtypeStruct((B, 3), jnp.float32),
    "labelled": jax.ShapeDtypeStruct((B, 3), jnp.float32),
    "labels": jax.ShapeDtypeStruct((B,), jnp.int32),
}
# Of a term: the players, the sources, the names of noise and of means that it reads.
E, G = {"encoder"}, {"generator"}
RECONSTRUCTION, REGULARIZATION = {"reconstruction_discriminator"}, {"regularization_discriminator"}
Z = {"encoder", "category"}  # the noise of a product code of x
ROWS = {
    "likelihood": (E | G, {"x"}, Z, set()),
    "joint_reconstruction": (E | G | RECONSTRUCTION, {"x"}, Z | {"local"}, set()),
    "joint_model": (E | G | RECONSTRUCTION, {"x"}, Z | {"prior", "prior_local"}, set()),
    "marginal_data": (G | RECONSTRUCTION, {"x"}, {"prior", "prior_local"}, set()),
    "improved_gan": (E | G, {"x"}, {"encoder", "prior", "prior_local", "sleep"}, {"features"}),
}
COLUMNS = {
    "none": (set(), {"x"}, set(), set()),
    "analytic_kl": (E, {"x"}, {"encoder"}, set()),
    "sampled_kl": (E, {"x"}, Z, set()),
    "joint_code": (E | REGULARIZATION, {"x"}, Z | {"prior"}, set()),
    "marginal_code": (E | REGULARIZATION, {"x"}, Z | {"prior"}, set()),
}
LOSSES = [
    (MarginalKL(), (E, {"x"}, Z, {"aggregated"})),
    (ConditionalEntropy(), (E, {"x"}, {"encoder"}, set())),
    (CodeInformation(), (E | G, {"x"}, Z | {"local", "code_information"}, set())),
    (SleepLoss(), (E | G, set(), {"prior", "prior_local", "sleep"}, set())),
    (Consistency(), (E, {"x"}, {"encoder", "augment"}, set())),
    (Consistency(teacher=True), (E, {"x"}, {"encoder", "augment"}, set())),
    (PriorFit(), (E, {"x"}, Z, set())),
    (CramerWold(), (E, {"x"}, Z, {"codes"})),
    (SlicedWasserstein(), (E, {"x"}, Z, {"codes"})),
    (LabelCrossEntropy(), (E, {"labelled", "labels"}, {"encoder"}, set())),
    (
        LabelCrossEntropy(augment=True),
        (E, {"labelled", "labels"}, {"encoder", "labelled_augment"}, set()),
    ),
]
AUGMENT = Augment(lambda x, by, step: x * (1 + by), 3)


def game_of(row, column, auxiliary=(), **adversary):
    """A cell with a product code, and a Gaussian encoder where its density is read."""
    built = games.build("joint_reconstruction", "marginal_code", "product")
    kind, noise = ("gaussian", 0) if column.endswith("_kl") else ("implicit", 2)
    likelihood, local = ("bernoulli", 0) if row == "likelihood" else ("none", 2)
    players = games.players(row if row in games.READS else "likelihood", column, "product")
    players = players._replace(
        encoder=networks.encoder(games.LAYOUT, games.SHAPE, kind, 2, 4, noise),
        generator=networks.generator(games.LAYOUT, games.SHAPE, 2, 4, local, likelihood=likelihood),
    )
    objective = cell(row, column, Adversary(**adversary), auxiliary=auxiliary)
    return built._replace(networks=players, objective=objective, augment=AUGMENT)


CELLS = [
    (row, column) for row in ROWS for column in COLUMNS if row not in ALONE or column == "none"
]


@pytest.mark.parametrize("row,column", CELLS)
def test_what_each_term_of_a_cell_reads(row, column):
    game = game_of(row, column)
    found, read = inspect(game, BATCH)
    reconstruction, regularization = game.objective[:2]
    assert found == {
        regularization.name: Reads(*COLUMNS[column]),
        reconstruction.name: Reads(*ROWS[row]),
    }
    expected = ROWS[row][0] | COLUMNS[column][0]
    assert {name for name, one in read._asdict().items() if one} == expected


@pytest.mark.heavy
@pytest.mark.parametrize("row,column", CELLS)
def test_a_missing_player_is_refused_with_the_name_of_a_term_that_reads_it(row, column):
    objective = game_of(row, column).objective
    reading = {
        objective.reconstruction.name: ROWS[row],
        objective.regularization.name: COLUMNS[column],
    }
    for player in ROWS[row][0] | COLUMNS[column][0]:
        game = game_of(row, column)
        game = game._replace(networks=game.networks._replace(**{player: None}))
        with pytest.raises(InputError, match=f"(needs|give the game) .*{player}") as error:
            check(game, BATCH)
        term = str(error.value).split()[0]
        assert player in reading[term][0]


@pytest.mark.parametrize("loss,expected", LOSSES)
def test_what_an_auxiliary_loss_reads(loss, expected):
    found, _ = inspect(game_of("joint_reconstruction", "none", (loss,)), BATCH)
    assert found[loss.name] == Reads(*expected)


def test_labelled_pairs_and_perturbations_are_read_where_they_are_asked_for():
    shared = inspect(game_of("joint_reconstruction", "none", labelled_share=0.3), BATCH)[0]
    assert shared["joint_reconstruction"].batch == {"x", "labelled", "labels"}
    losses = (LabelCrossEntropy(), Consistency(), SleepLoss())
    game = game_of("joint_reconstruction", "none", losses)
    noisy = networks.encoder(
        games.LAYOUT, games.SHAPE, "implicit", 2, 4, 2, networks.Perturbation(0.1)
    )
    found, _ = inspect(game._replace(networks=game.networks._replace(encoder=noisy)), BATCH)
    perturbed = {
        name: {noise for noise in one.noise if noise.startswith("perturbation/")}
        for name, one in found.items()
    }
    assert perturbed == {
        "joint_reconstruction": set(),
        "none": set(),
        "label_cross_entropy": {"perturbation/encoder"},
        "augmentation_consistency": {"perturbation/encoder"},
        "sleep_loss": {"perturbation/sleep"},
    }


def test_what_adaptive_contrast_reads():
    built = games.build("likelihood", "joint_code")
    kl = Adversary(scoring.KL)
    contrast = cell("likelihood", "adaptive_contrast", regularization_adversary=kl)
    found, _ = inspect(built._replace(objective=contrast), BATCH)
    noise = {"encoder", "prior", "moments"}
    assert found["adaptive_contrast"] == Reads(E | REGULARIZATION, {"x"}, noise, set())


# ---------------------------------------------------------------------------- a config's game


def config_of(row, column="none", **losses):
    config = Config(batch_size=4)
    config.code.size, config.code.categories = 2, 3
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 4
    config.reconstruction.kind, config.regularization.kind = row, column
    if row == "likelihood":
        config.generator.likelihood = "bernoulli"
    for name, weight in losses.items():
        getattr(config.auxiliary, name).weight.value = weight
    if "labels" in losses:
        config.data.labels_per_class = 1
    return config


@pytest.mark.parametrize(
    ("config", "players"),
    [
        (config_of("none", labels=1.0), E),
        (config_of("marginal_data"), G | RECONSTRUCTION),
        (config_of("marginal_data", entropy=1.0), E | G | RECONSTRUCTION),
        (config_of("improved_gan", labels=1.0), E | G),
        (config_of("likelihood"), E | G),
        (config_of("likelihood", "marginal_code"), E | G | REGULARIZATION),
        (config_of("joint_reconstruction"), E | G | RECONSTRUCTION),
    ],
)
def test_a_config_has_the_players_that_its_terms_read(config, players):
    game = build(config, (3,))
    for part in (game.networks, game.optimizers):
        assert {name for name, one in part._asdict().items() if one is not None} == players
    labels = {"labelled", "labels"} if config.data.labels_per_class else set()
    assert game.sources == {"x"} | labels


def test_a_player_that_no_term_reads_is_not_made():
    """A generator that cannot be: its layout is of images and x is a vector."""
    config = config_of("none", labels=1.0)
    config.generator.network.kind = "conv"
    assert build(config, (3,)).networks.generator is None
    config.auxiliary.sleep.weight.value = 1.0
    with pytest.raises(InputError, match="sleep_loss conv reads images and x has shape"):
        build(config, (3,))


# ---------------------------------------------------------------------------------- a step


def semi(method):
    """A semi-supervised config with all that is traced in a way of its own: R1 in a branch, of
    images that are changed before, with numbers drawn outside of it; virtual adversarial training,
    whose search is a gradient within the gradient; a teacher; means of a batch that is cut."""
    config = recorded_games.small(semisupervised.get_config(f"{method}/mnist/100"))
    for player in config.players:
        player.network.kind = "mlp"
    config.diffaugment.shift, config.diffaugment.blur = 0.2, 2.0
    if config.auxiliary.consistency.teacher:
        config.affine.vat_radius = 2.0
    return config


LEAKING = {
    "labels, a teacher, R1, microbatches": (semi("iae_best"), 2),
    "improved GAN in microbatches": (semi("improved_gan"), 2),
    "adaptive contrast": (
        recorded_games.changed(
            **recorded_games.LIKELIHOOD,
            **recorded_games.IMPLICIT,
            regularization__kind="adaptive_contrast",
            regularization__scoring="kl",
            regularization__network__kind="mlp",
        ),
        1,
    ),
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", LEAKING)
def test_no_value_leaks_out_of_a_trace(name):
    config, microbatches = LEAKING[name]
    game = build(config, recorded_games.GREY)
    state = jax.eval_shape(lambda: init(game, jax.random.key(0)))
    x = jax.ShapeDtypeStruct((4, *recorded_games.GREY), jnp.float32)
    labels = jax.ShapeDtypeStruct((4,), jnp.int32)
    labelled = Labelled(x, labels) if "labelled" in game.sources else None

    def step(state, x, labelled):
        return train_step(game, state, x, labelled=labelled, microbatches=microbatches)

    with jax.checking_leaks():
        jax.eval_shape(step, state, x, labelled)


# Of one step on one device by XLA with its optimizations. 9,205,667,840 without minimal filtering,
# 10,856,165,376 while convolutions were also computed on padding.
FLOPS = 8_995_477_504


@pytest.mark.heavy
@pytest.mark.usefixtures("optimized")
def test_the_operations_of_a_step_of_mnist():
    config = mnist_reconstruction.get_config("deterministic_20")
    assert config.batch_size == 64
    game = build(config, (28, 28, 1))
    state = jax.eval_shape(lambda: init(game, jax.random.key(0)))
    x = jax.ShapeDtypeStruct((64, 28, 28, 1), jnp.float32)
    compiled = jax.jit(lambda state, x: train_step(game, state, x)).lower(state, x).compile()
    assert compiled.cost_analysis()["flops"] == pytest.approx(FLOPS, rel=0.005)
