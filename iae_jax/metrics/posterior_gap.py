"""How far below log p(x) the bound of a posterior is, KL(q(z|x) || p(z|x)) in nats: of a code in
the plane, where log p(x) is known by quadrature.

Records. evidence: log p(x). bound_gap: log p(x) less the bound by q's own density. Of joint_code's
discriminator also bound_gap_estimated: the same with its logit T in the place of
log q(z|x) - log p(z), which it estimates (Mescheder et al. 2017); and discriminator_error: the mean
distance between the two.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.metrics.available import Available
from iae_jax.metrics.evidence import log_evidence, log_weight
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.metrics.metric import CODE
from iae_jax.objectives.adversarial import JOINT_CODE
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, to_unit
from iae_jax.types import Array

GRADED = "regularization_discriminator"


def bound_gap(trained: Trained, images: int = 200, samples: int = 100) -> Iterator[Measurement]:
    """Of the first images, with so many samples of q(z|x) for each.

    Raises:
      InputError: the code is not in the plane, or a density is unknown.
    """
    if Available(trained).missing(("encoder", "likelihood", "kl", "vector")):
        return
    game, params = trained.game, trained.params
    x = to_unit(jnp.asarray(trained.x[:images]))
    exact = np.asarray(log_evidence(game, params, x), np.float64)
    discriminator = game.networks.regularization_discriminator
    # Those of other terms read pairs too, and estimate another ratio.
    term = None if game.objective is None else game.objective.regularization.name
    graded = (
        discriminator is not None
        and discriminator.reads == ("x", "z")
        and params.regularization_discriminator is not None
        and term in (None, JOINT_CODE.name)
    )

    @jax.jit
    def sampled(key: Array) -> dict[str, Array]:
        draws = Draws(game, params, Noise(example_keys(key, 0, len(x))), {"x": x})
        found = {"bound": log_weight(draws)}
        if graded:
            log_p = draws.prior.log_density
            assert log_p is not None and draws.encoding.log_density is not None  # "kl" is there
            logit = draws.discriminator(GRADED).apply(
                params.regularization_discriminator, x, draws.z.vector
            )[:, 0]
            known = draws.encoding.log_density - log_p(draws.prior_params, draws.z)
            found["estimate"] = found["bound"] + known - logit
            found["error"] = jnp.abs(logit - known)
        return found

    keys = jax.random.split(jax.random.key(trained.seed), samples)
    found = jax.device_get(jax.lax.map(sampled, keys))
    mean = {name: values.astype(np.float64).mean() for name, values in found.items()}
    yield Measurement("evidence", float(exact.mean()), len(x), CODE)
    yield Measurement("bound_gap", float(exact.mean() - mean["bound"]), len(x), CODE)
    if graded:
        yield Measurement(
            "bound_gap_estimated", float(exact.mean() - mean["estimate"]), len(x), CODE
        )
        yield Measurement("discriminator_error", float(mean["error"]), len(x), CODE)
