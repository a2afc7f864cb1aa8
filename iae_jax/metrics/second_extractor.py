"""What a second feature classifier sees: of another network and seed, which has not learned that
colours do not matter.

Records. With `_second`, what is recorded without it: label_agreement_second, frechet_sample_second,
feature_error_ratio_second, label_agreement_pca_second and so on.
"""

from collections.abc import Iterator
from itertools import chain

from iae_jax.metrics.controls import in_features, of_principal, principal_model
from iae_jax.metrics.measurement import Measurement, Trained


def seen_by_the_second(trained: Trained) -> Iterator[Measurement]:
    """The model, and principal components of its size, in the second extractor's features."""
    generator = trained.game.networks.generator
    if trained.second is None or generator is None or generator.slow:
        return
    model = trained._replace(extractor=trained.second, second=None)
    principal = principal_model(model)
    for one in chain(in_features(model), of_principal(principal) if principal else ()):
        if one.extractor == trained.second.extractor:
            yield one._replace(name=f"{one.name}_second")


MEASURES = (seen_by_the_second,)
