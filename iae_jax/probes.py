"""What a simple classifier reads from codes: how much of the labels they hold, and how plainly.

train, test: codes f[N, D] and f[M, D]; labels i[N] and i[M]. Both are scaled by the training codes.
"""

import numpy as np


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
    classifier: object, train: np.ndarray, train_labels: np.ndarray, test: np.ndarray,
    test_labels: np.ndarray,
) -> float:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), classifier)
    pipeline.fit(train, train_labels)
    return float(pipeline.score(test, test_labels))
