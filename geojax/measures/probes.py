"""Accuracies of simple classifiers of the points as they are, leave-one-out.

They read labels as the measures of `geojax.measures.transfer` do, and are NaN where those are.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.measures.conventions import check_convention
from geojax.measures.labels import accuracy, as_labels, labelled
from geojax.ops.distinct import first_equal
from geojax.ops.moments import as_float32
from geojax.ops.neighbours import map_candidates
from geojax.ops.ridge import left_out_errors
from geojax.ops.safe import matmul, ratio
from geojax.typing import Key, Mask, Points, Scalar, Targets


def knn_accuracy(
    points: Points,
    labels: Targets,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    classes: int | None = None,
    k: int = 5,
) -> Scalar:
    """Share of the points whose class is the most frequent one among their k nearest neighbours, k = 5.

    A point is no neighbour of itself: leave-one-out; every other point that equals it is one. Points at the distance of
    the k-th share the votes that the nearer ones leave, however many are equal (of more than k + 8 distinct points the
    first by row); of classes with equal votes each counts its share.

    Args:
      points: Float[n, d].
      labels: Int[n].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.
      classes: number of classes.
      k: neighbours that vote.

    Returns:
      A value in [0, 1]. NaN also for n <= k.

    Cost: O(n^2 d) time, O(n d) memory.

    Reference: Cover & Hart 1967, "Nearest neighbor pattern classification".
    """
    check_convention(convention)
    read = labelled(points, labels, mask, classes, "knn_accuracy")

    # Equal points are one candidate, with the number of its points of every class.
    twins = first_equal(jax.lax.stop_gradient(as_float32(points)), read.mask)
    rows = jnp.arange(len(twins))
    members = jax.ops.segment_sum(read.targets, twins, len(twins))

    def votes(squared: Float[Array, "b c"], found: Int[Array, "b c"], index: Int[Array, "b"]) -> Float[Array, "b C"]:
        itself = (found == twins[index][:, None])[:, :, None] * read.targets[index][:, None]
        voters = jnp.where(jnp.isfinite(squared)[:, :, None], members[found] - itself, 0)
        size = jnp.sum(voters, 2)
        within = jnp.sum(size[:, None] * (squared[:, None] <= squared[:, :, None]), 2)
        last = jnp.min(jnp.where(within >= k, squared, jnp.inf), 1, keepdims=True)
        nearer, equal = squared < last, squared == last
        left = k - jnp.sum(size * nearer, 1, keepdims=True)
        share = left / jnp.maximum(jnp.sum(size * equal, 1, keepdims=True), 1)
        return jnp.sum((nearer + share * equal)[:, :, None] * voters, 1)

    scores = map_candidates(votes, read.cloud.points, read.cloud.points, read.mask & (twins == rows), k=k + 1)
    return jnp.where(read.cloud.count > k, accuracy(scores, read, slack=1e-4), jnp.nan)


def class_mean_accuracy(
    points: Points,
    labels: Targets,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    classes: int | None = None,
) -> Scalar:
    """Share of the points that lie nearer to the mean of their own class than to that of any other, leave-one-out.

    The mean of a point's class is taken without the point, so that the only point of a class counts as wrong.

    Args:
      points: Float[n, d].
      labels: Int[n].
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.
      classes: number of classes.

    Returns:
      A value in [0, 1].

    Cost: O(n d C), C classes.

    Reference: Tibshirani, Hastie, Narasimhan & Chu 2002, "Diagnosis of multiple cancer types by shrunken centroids".
    """
    check_convention(convention)
    read = labelled(points, labels, mask, classes, "class_mean_accuracy")
    counts, rows = read.counts, read.cloud.points
    means = matmul(read.targets.T, rows) / jnp.maximum(counts, 1)[:, None]
    squared = jax.lax.map(lambda mean: jnp.sum((rows - mean) ** 2, 1), means).T
    # Without the point its class's mean is farther by n_c / (n_c - 1).
    farther = jnp.where(counts > 1, (counts / jnp.maximum(counts - 1, 1)) ** 2, jnp.inf)
    squared = jnp.where(read.targets > 0, jnp.where(counts > 1, squared * farther, jnp.inf), squared)
    return accuracy(-jnp.where(counts > 0, squared, jnp.inf), read)


def ridge_probe(
    points: Points,
    labels: Targets,
    *,
    mask: Mask | None = None,
    convention: str = "standard",
    key: Key | None = None,
    classes: int | None = None,
) -> Scalar:
    """Accuracy of a linear classifier fitted by ridge regression, leave-one-out; of a regression its R^2.

    One target a class, 1 in its points and 0 elsewhere, an intercept without penalty; the class with the largest
    prediction is told. Point i is predicted from the others by the closed form y_i - e_i / (1 - h_ii), e the residuals
    and h the hat matrix; but the shares of the classes are those of all points: without its point a class as frequent
    as the others is the rarest, and where the points say nothing all would be told wrong. The penalty is that of
    eleven, 1e-4 to 10 times the largest eigenvalue of X'X, with the least leave-one-out squared error: the value is
    better by that choice than on new points, if hardly.

    Args:
      points: Float[n, d].
      labels: Int[n], or Float[n] for a regression: then 1 - the squared error over that of the mean of the others.
      mask: Bool[n], rows that count.
      convention: the two coincide.
      key: not used.
      classes: number of classes.

    Returns:
      A value in [0, 1]; of a regression at most 1, and below 0 where the mean predicts better.

    Cost: O(n d q + q^3 + n q C), q = min(n, d), C classes.

    References: Allen 1974, "The relationship between variable selection and data augmentation and a method for
    prediction"; Hastie, Tibshirani & Friedman 2009, "The elements of statistical learning", equation 7.64.
    """
    check_convention(convention)
    labels = as_labels(labels)
    read = labelled(points, labels, mask, classes, "ridge_probe", regression=True)
    n, targets = read.cloud.count.astype(jnp.float32), read.centred_targets()
    found = left_out_errors(read.cloud, targets, read.mask)
    if jnp.issubdtype(labels.dtype, jnp.floating):
        value = 1 - ratio(jnp.sum(found**2), jnp.sum((targets * n / (n - 1)) ** 2))
        return jnp.where(read.defined, value, jnp.nan)
    return accuracy(read.targets - found + targets / (n - 1), read, slack=1e-5)
