"""Errors of measures by leaving out sequences: standard error, bias, intervals, paired differences.

The tokens of one sequence are not independent, so sequences are resampled, in groups. Three numbers are kept apart:
the sampling error with the quantizer held fixed, the quantizer's error over its refits, and the bias.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from geojax.errors import InputError
from geojax.ops.arrays import as_groups
from geojax.typing import Key

# With fewer groups a standard error is hardly more than a guess: its own relative error is 1 / sqrt(2 (G - 1)).
FEWEST_GROUPS = 5


class Error(NamedTuple):
    """A standard error and the degrees of freedom of its Student t."""

    std_error: float
    freedom: float


class Jackknife(NamedTuple):
    """What the replicates of a value tell about it."""

    error: Error
    bias: float


def check_groups(groups: int) -> None:
    """Raises an InputError for a number of groups that gives no standard error; 0 asks for none."""
    if groups and groups < FEWEST_GROUPS:
        raise InputError(f"groups is {groups}: a standard error needs at least {FEWEST_GROUPS}; 0 leaves it out")


def check_level(level: float) -> None:
    """Raises `InputError` for a coverage that is not between 0 and 1."""
    if not 0 < level < 1:
        raise InputError(f"level is {level}: a coverage lies between 0 and 1, as 0.9")


def order_of_sequences(sequence_index: Int[np.ndarray, "n"], key: Key) -> tuple[Int[np.ndarray, "n"], int]:
    """For every point the place of its sequence in a random order, and the number of sequences.

    The place modulo G is a balanced random assignment to G groups. It depends on the key and on which sequences there
    are, not on their points: clouds of the same sequences get the same groups.
    """
    sequences, index = np.unique(sequence_index, return_inverse=True)
    seed = np.asarray(jax.random.key_data(key)).ravel().tolist()
    return np.random.default_rng(seed).permutation(len(sequences))[index], len(sequences)


class Grouped(NamedTuple):
    """The sequences of a cloud in groups that are left out in turn.

    Attributes:
      places: of the sequence of every point that counts in the random order.
      sequences: their number.
      groups: their number; 0 where the sequences are too few, or none are asked for.
      group: of every point, 0 where it does not count.
      warnings: what a reader must know.
    """

    places: Int[np.ndarray, "kept"]
    sequences: int
    groups: int
    group: Int[np.ndarray, "n"]
    warnings: tuple[str, ...]


def group_sequences(sequence_index: Any, kept: Int[np.ndarray, "kept"], n: int, key: Key, groups: int) -> Grouped:
    """Groups the sequences of n points.

    Args:
      sequence_index: Int[n], the sequence of each point; None for independent points.
      kept: rows of the points that count.
      key: of the order.
      groups: how many are asked for.

    Raises:
      InputError: an index that does not fit.
    """
    index = np.arange(n) if sequence_index is None else as_groups(sequence_index, n, "the sequence index")
    places, sequences = order_of_sequences(index[kept], key)
    found, warnings = min(groups, sequences) if sequences >= FEWEST_GROUPS else 0, []
    group = np.zeros(n, np.int32)
    group[kept] = places % max(found, 1)
    if sequence_index is None:
        warnings.append("the cloud has no sequence indices: its points count as independent")
    if groups and not found:
        warnings.append(f"no sampling error: sequences are {sequences}, and it takes {FEWEST_GROUPS} or more")
    return Grouped(places, sequences, found, group, tuple(warnings))


def jackknife(replicates: Float[np.ndarray, "G"], value: float) -> Jackknife:
    """Standard error and bias of a value from its replicates, each without one of G groups of sequences.

    With the mean a of the replicates: SE^2 = (G - 1) / G * sum of (replicate - a)^2, bias = (G - 1) (a - value).

    The standard error is that of the value as an estimate of its expectation at this number of points. The bias is
    that of the value as an estimate of the population's: the whole of a bias that falls as 1/n, about the share a of
    one that falls as n^-a (half of it for 1/sqrt(n), as `eee` of many nearly equal axes has). value - bias has the
    same standard error to first order.

    Args:
      replicates: Float[G].
      value: of all groups together.

    Returns:
      NaN where a replicate is NaN.

    References: Quenouille 1956, "Notes on bias in estimation"; Shao & Wu 1989, "A general theory for jackknife
    variance estimation"; Kott 2001, "The delete-a-group jackknife".
    """
    groups = len(replicates)
    mean = np.mean(replicates)
    variance = (groups - 1) / groups * np.sum((replicates - mean) ** 2)
    return Jackknife(Error(float(np.sqrt(variance)), float(groups - 1)), float((groups - 1) * (mean - value)))


def of_refits(values: Float[np.ndarray, "seeds"]) -> Error | None:
    """Standard error of the mean over refits of a quantizer; None for fewer than two."""
    if len(values) < 2:
        return None
    return Error(float(np.std(values, ddof=1) / np.sqrt(len(values))), float(len(values) - 1))


def combined(*errors: Error | None) -> Error | None:
    """The error of a sum of independent parts, None among them left out; None where nothing is left.

    Degrees of freedom by Welch and Satterthwaite: (sum of v)^2 / sum of v^2 / f for variances v.
    """
    known = [error for error in errors if error is not None]
    if not known:
        return None
    variances = np.array([error.std_error**2 for error in known])
    total = variances.sum()
    if not total > 0:  # nothing varies, or an error is NaN
        return Error(float(np.sqrt(total)), known[0].freedom)
    # Shares first: variances of 1e-30 have no square in range.
    shares = variances / total
    freedom = 1 / np.sum(shares**2 / [error.freedom for error in known])
    return Error(float(np.sqrt(total)), float(freedom))


class Errors(NamedTuple):
    """What is known of the error of one measure; None where it was not or could not be estimated."""

    se_sampling: float | None = None
    se_quantizer: float | None = None
    bias: float | None = None
    std_error: float | None = None
    freedom: float | None = None
    warnings: tuple[str, ...] = ()


def estimate(
    values: Float[np.ndarray, "seeds"],
    replicates: Float[np.ndarray, "G"] | None,
    half_values: Float[np.ndarray, "halves"] | None,
) -> Errors:
    """Puts together what replicates, refits and halves tell of a measure, with what a reader must be warned of.

    Args:
      values: of each refit of the quantizer; one for a measure without quantizer.
      replicates: of the first refit, its codebooks held fixed; None where there are too few sequences.
      half_values: None for a measure without quantizer, whose bias the jackknife gives. For the others the values on
        two complementary halves of the sequences, quantizers fitted to each: their mean - value is the whole of a
        bias that falls as 1/n, the share 2^a - 1 of one that falls as n^-a. Empty where the halves are too small.
    """
    quantizer, warnings = of_refits(values), []
    sampling = bias = None
    if replicates is not None and np.isfinite(values).all():
        if half_values is not None and quantizer is None:
            warnings.append("one refit does not tell the quantizer's error: 5 are advised")
        if np.isfinite(replicates).all():
            sampling, bias = jackknife(replicates, float(values[0]))
        else:
            warnings.append("no sampling error: without some of the sequences the value is not defined")
        if half_values is not None:
            bias = float(np.mean(half_values) - np.mean(values)) if len(half_values) else None
            if bias is None:
                warnings.append("no bias: half of the sequences are too few points for the quantizer")
    total = combined(sampling, quantizer)
    if bias is not None and total is not None and abs(bias) > total.std_error:
        warnings.append(f"the bias, about {bias:.2g}, exceeds the standard error: compare it only at equal n")
    return Errors(
        None if sampling is None else sampling.std_error,
        None if quantizer is None else quantizer.std_error,
        bias if bias is None or np.isfinite(bias) else None,
        None if total is None else total.std_error,
        None if total is None else total.freedom,
        tuple(warnings),
    )


def student_interval(value: float, error: Error, level: float = 0.9) -> tuple[float, float]:
    """The interval value +- t * SE that covers what the value estimates with probability `level`, by Student's t."""
    from scipy.special import stdtrit  # scipy.stats takes most of a second to import

    reach = error.std_error * float(stdtrit(error.freedom, (1 + level) / 2))
    return value - reach, value + reach
