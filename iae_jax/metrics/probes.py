"""What simple models make of codes and of images, to compare with.

Classifiers of codes: how much of the labels they hold, and how plainly. train, test: codes f[N, D]
and f[M, D]; labels i[N] and i[M]. Both are scaled by the training codes.
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


def principal_error(train: np.ndarray, test: np.ndarray, size: int, seed: int = 0) -> float:
    """Mean absolute error of each value of test, rebuilt from its first `size` principal components
    of train, within the range of values that train has. train, test: f[N, D] and f[M, D]."""
    from sklearn.decomposition import PCA

    components = PCA(size, svd_solver="randomized", random_state=seed).fit(train)
    rebuilt = components.inverse_transform(components.transform(test))
    return float(np.abs(np.clip(rebuilt, train.min(), train.max()) - test).mean())


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
