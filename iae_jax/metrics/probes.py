"""Classifiers of codes: how much of the labels codes hold, and how plainly.

train, test: codes f[N, D] and f[M, D]; labels i[N] and i[M]. Both are scaled by the training codes.

Records. code_nearest_accuracy, code_linear_accuracy: of the label, by the nearest training code and
by logistic regression.
"""

from collections.abc import Callable, Iterator

import numpy as np

from iae_jax.metrics.codes import CODE_VECTOR, MAX_CODES
from iae_jax.metrics.measurement import Measurement, Trained, measured, some
from iae_jax.metrics.metric import CODE
from iae_jax.metrics.stream import stream


def nearest(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray
) -> float:
    """Accuracy of the label of the nearest training code."""
    from sklearn.neighbors import KNeighborsClassifier

    return _accuracy(KNeighborsClassifier(1), train, train_labels, test, test_labels)


def linear(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray
) -> float:
    """Accuracy of logistic regression."""
    from sklearn.linear_model import LogisticRegression

    probe = LogisticRegression(max_iter=1000)
    return _accuracy(probe, train, train_labels, test, test_labels)


def _accuracy(
    classifier: object,
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
) -> float:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), classifier)
    pipeline.fit(train, train_labels)
    return float(pipeline.score(test, test_labels))


def labels_in_codes(trained: Trained) -> Iterator[Measurement]:
    """What codes say of labels."""
    z, labels, train = trained.streamed.rows.get("code_vector"), trained.all_labels, trained.train
    test = labels >= 0
    if z is None or train is None or not test.any():
        return
    few = some(train, MAX_CODES, trained.seed)
    there = few.labels >= 0
    if len(set(few.labels[there])) < 2:
        return
    codes = stream(trained.on(few), (CODE_VECTOR,)).rows["code_vector"][there]
    values: dict[str, Callable[..., float]] = {
        "code_nearest_accuracy": nearest,
        "code_linear_accuracy": linear,
    }
    for name, value in values.items():

        def of_codes(
            codes: np.ndarray, own: np.ndarray, value: Callable[..., float] = value
        ) -> float:
            return value(codes, few.labels[there], own, labels[test])

        yield measured(name, int(test.sum()), CODE, of_codes, codes, z[test])


MEASURES = (labels_in_codes,)
