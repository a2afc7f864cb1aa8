"""Which games are refused, and that the message names the fix; which are played, by the slide."""

import optax
import pytest
from games import CELLS, CODES, LAYOUT, SHAPE, players

from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.game.check import check
from iae_jax.objectives import grid as objectives
from iae_jax.objectives import scoring
from iae_jax.objectives.adversarial import Adversary
from iae_jax.objectives.auxiliary import ConditionalEntropy, MarginalKL
from iae_jax.objectives.grid import cell
from iae_jax.objectives.weights import Weight
from iae_jax.sampling import priors
from iae_jax.types import Game, Players

GAUSSIAN = priors.gaussian(2)
NOT_NORMAL = GAUSSIAN._replace(standard_normal=False)
NO_DENSITY = priors.swiss_roll()
OPTIMIZERS = Players(*[optax.sgd(0.1)] * 4)
DETERMINISTIC = networks.encoder(LAYOUT, SHAPE, "deterministic", 2)
BERNOULLI = networks.generator(LAYOUT, SHAPE, 2, likelihood="bernoulli")
IMPLICIT = networks.generator(LAYOUT, SHAPE, 2)
READS_X, READS_Z, READS_BOTH = (
    networks.discriminator(LAYOUT, SHAPE, reads, 2) for reads in (("x",), ("z",), ("x", "z"))
)
VAE = players("likelihood", "analytic_kl")
IAE = players("joint_reconstruction", "marginal_code")
GAN = players("marginal_data", "none")
ENTROPY = ConditionalEntropy(Weight(1.0))


def checked(objective, given, prior=GAUSSIAN, optimizers=OPTIMIZERS):
    return check(Game(given, prior, objective, optimizers), SHAPE)


REFUSED = {
    "analytic KL, implicit encoder": (
        cell("likelihood", "analytic_kl"),
        VAE._replace(encoder=IAE.encoder),
        "implicit: use a gaussian encoder, or sampled_kl, joint_code or marginal_code",
    ),
    "analytic KL, deterministic encoder": (
        cell("likelihood", "analytic_kl"),
        VAE._replace(encoder=DETERMINISTIC),
        "deterministic: use a gaussian encoder, or sampled_kl, joint_code or marginal_code",
    ),
    "sampled KL, implicit encoder": (
        cell("likelihood", "sampled_kl"),
        VAE._replace(encoder=IAE.encoder),
        "sampled_kl needs the density of q(z|x) and the encoder has none: use a gaussian encoder",
    ),
    "likelihood, implicit generator": (
        cell("likelihood", "analytic_kl"),
        VAE._replace(generator=IMPLICIT),
        "give the generator a likelihood, or use joint_reconstruction",
    ),
    "likelihood, generator with a local code": (
        cell("likelihood", "analytic_kl"),
        VAE._replace(generator=BERNOULLI._replace(noise=3)),
        "set its noise to 0, or its likelihood to none",
    ),
    "no generator": (
        cell("joint_reconstruction", "marginal_code"),
        IAE._replace(generator=None),
        "joint_reconstruction needs the generator: give the game one",
    ),
    "no encoder": (
        cell("joint_reconstruction", "marginal_code"),
        IAE._replace(encoder=None),
        "joint_reconstruction needs the encoder: give the game one",
    ),
    "no encoder under a likelihood": (
        cell("likelihood"),
        VAE._replace(encoder=None),
        "likelihood needs the encoder: give the game one",
    ),
    "no reconstruction discriminator": (
        cell("joint_reconstruction", "marginal_code"),
        IAE._replace(reconstruction_discriminator=None),
        "give the game a reconstruction_discriminator that reads x and z",
    ),
    "no regularization discriminator": (
        cell("joint_reconstruction", "marginal_code"),
        IAE._replace(regularization_discriminator=None),
        "give the game a regularization_discriminator that reads z",
    ),
    "no discriminator in a GAN": (
        cell("marginal_data"),
        GAN._replace(reconstruction_discriminator=None),
        "give the game a reconstruction_discriminator that reads x",
    ),
    "discriminator reads too little": (
        cell("joint_reconstruction", "marginal_code"),
        IAE._replace(reconstruction_discriminator=READS_X),
        "has a discriminator of x and z; the reconstruction_discriminator reads x: build it",
    ),
    "discriminator reads too much": (
        cell("likelihood", "marginal_code"),
        players("likelihood", "marginal_code")._replace(regularization_discriminator=READS_BOTH),
        "has a discriminator of z; the regularization_discriminator reads x and z: build it",
    ),
    "superfluous reconstruction discriminator": (
        cell("likelihood", "analytic_kl"),
        VAE._replace(reconstruction_discriminator=READS_BOTH),
        "remove the reconstruction_discriminator",
    ),
    "superfluous regularization discriminator": (
        cell("likelihood", "analytic_kl"),
        VAE._replace(regularization_discriminator=READS_Z),
        "remove the regularization_discriminator",
    ),
    "superfluous encoder": (
        cell("marginal_data"),
        GAN._replace(encoder=DETERMINISTIC),
        "no term of this objective trains the encoder: remove it",
    ),
    "superfluous generator": (
        cell("none", auxiliary=(MarginalKL(Weight(1.0)),)),
        Players(DETERMINISTIC, IMPLICIT),
        "no term of this objective trains the generator: remove it",
    ),
    "nothing to train": (
        cell("none"),
        Players(),
        "no term of this objective trains anything: set reconstruction.kind",
    ),
    "category term without a category": (
        cell("likelihood", "analytic_kl", auxiliary=(ENTROPY,)),
        VAE,
        "conditional_entropy needs a categorical code: give the code categories",
    ),
    "two losses of one name": (
        cell("likelihood", "analytic_kl", auxiliary=(ENTROPY, ConditionalEntropy(Weight(2.0)))),
        VAE,
        "two auxiliary losses have one name: conditional_entropy, conditional_entropy",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_message_that_names_the_fix(name):
    objective, given, fix = REFUSED[name]
    with pytest.raises(InputError) as error:
        checked(objective, given)
    assert fix in str(error.value)
    assert "\n" not in str(error.value)


def test_analytic_kl_to_another_prior_is_refused():
    message = "use a gaussian prior, or sampled_kl, joint_code or marginal_code"
    with pytest.raises(InputError, match=message):
        checked(cell("likelihood", "analytic_kl"), VAE, NOT_NORMAL)
    checked(cell("joint_reconstruction", "marginal_code"), IAE, NOT_NORMAL)


def test_sampled_kl_to_a_prior_without_a_density_is_refused():
    checked(cell("likelihood", "sampled_kl"), VAE, priors.petals())
    with pytest.raises(InputError, match="sampled_kl needs the density of p.* use another prior"):
        checked(cell("likelihood", "sampled_kl"), VAE, NO_DENSITY)


def test_a_known_marginal_kl_to_another_prior_is_refused():
    added = (MarginalKL(Weight(1.0)),)
    objective = cell("joint_reconstruction", "marginal_code", auxiliary=added)
    checked(objective, IAE)
    with pytest.raises(InputError, match="use a gaussian prior, or marginal_code alone"):
        checked(objective, IAE, NOT_NORMAL)


@pytest.mark.parametrize("row,column", CELLS)
@pytest.mark.parametrize("code", CODES)
def test_every_cell_is_playable(row, column, code):
    prior = priors.prior("gaussian", *CODES[code])
    checked(cell(row, column), players(row, column, code), prior)


@pytest.mark.parametrize("row", ["joint_model", "marginal_data"])
@pytest.mark.parametrize("column", ["analytic_kl", "joint_code", "marginal_code"])
def test_ali_and_gan_take_no_regularization(row, column):
    with pytest.raises(InputError, match="set regularization to none"):
        cell(row, column)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(InputError, match="likelihood, joint_reconstruction.*not 'elbo'"):
        cell("elbo")
    with pytest.raises(InputError, match="none, analytic_kl.*not 'l2'"):
        cell("likelihood", "l2")


@pytest.mark.parametrize("player", ["encoder", "generator", "regularization_discriminator"])
def test_a_player_without_an_optimizer_is_refused(player):
    optimizers = OPTIMIZERS._replace(**{player: None})
    with pytest.raises(InputError, match=f"the {player} has no optimizer: give it one"):
        checked(cell("joint_reconstruction", "marginal_code"), IAE, optimizers=optimizers)


def test_the_rows_and_columns_are_the_slides_pairings():
    """Oracle: the table of theory.md section 2, typed here: who reads what."""
    reads = {
        "likelihood": (),
        "joint_reconstruction": ("x", "z"),
        "joint_model": ("x", "z"),
        "marginal_data": ("x",),
        "none": (),
        "analytic_kl": (),
        "sampled_kl": (),
        "joint_code": ("x", "z"),
        "marginal_code": ("z",),
        "adaptive_contrast": ("x", "z"),
        "improved_gan": (),
        "flipped_likelihood": (),
        "flipped_reconstruction": ("x", "z"),
        "cycle_reconstruction": ("x", "z"),
        "cycle_marginals": ("x", "z"),
    }
    tables = objectives.RECONSTRUCTIONS | objectives.REGULARIZATIONS
    assert {name: term(Adversary(scoring.KL)).reads for name, term in tables.items()} == reads


@pytest.mark.parametrize(
    "adversary",
    [Adversary(), Adversary(scoring.HINGE), Adversary(scoring.KL, numerator_weight=0.5)],
)
def test_adaptive_contrast_is_of_one_scoring(adversary):
    with pytest.raises(InputError, match="set its scoring to kl"):
        cell("likelihood", "adaptive_contrast", regularization_adversary=adversary)


def test_adaptive_contrast_needs_a_noisy_encoder_and_a_gaussian_prior():
    contrast = cell(
        "likelihood", "adaptive_contrast", regularization_adversary=Adversary(scoring.KL)
    )
    played = players("likelihood", "joint_code")
    checked(contrast, played)
    with pytest.raises(InputError, match="adaptive_contrast .*: use a gaussian prior"):
        checked(contrast, played, NO_DENSITY)
    with pytest.raises(InputError, match="adaptive_contrast .*: give the encoder noise"):
        checked(contrast, played._replace(encoder=DETERMINISTIC))
