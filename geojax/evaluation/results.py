"""What a measurement gives back: every value with its errors and what weakens it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from geojax.evaluation.uncertainty import Error, combined, jackknife, student_interval


@dataclass(frozen=True)
class Result:
    """One measure of one cloud, or of a pair of clouds.

    Attributes:
      measure: name in the catalogue.
      value: the measure; the mean over the refits of its quantizer where it has one. NaN is explained in `warnings`.
      std_error: the sampling and the quantizer's error together; None where neither was estimated.
      freedom: its degrees of freedom: value +- t * std_error is an interval, t a quantile of Student's t.
      se_sampling: standard error over sequences, codebooks held fixed: of the value as an estimate of its expectation
        at this n. That of the first refit.
      se_quantizer: standard error of the mean over the refits; None for fewer than two.
      bias: estimated expectation at this n - the population's value; never subtracted from `value`. From the
        jackknife; where there is a quantizer, from refits on two halves of the sequences.
      quantizer_std: standard deviation over the refits (seeds - 1 in the denominator); None for fewer than two.
      quantizer_seeds: number of refits; 0 for a measure without quantizer.
      n_sequences: sequences that the points belong to; n where the cloud does not tell.
      n: points measured.
      n_dropped_masked: points that the mask took out.
      n_duplicates: measured points that equal an earlier one in all coordinates; None where no point was kept, and
        for a pair of clouds.
      n_zero: measured points with all coordinates zero; None as above.
      convention: "standard" or "paper".
      warnings: sentences on what weakens the number.
    """

    measure: str
    value: float
    std_error: float | None
    freedom: float | None
    se_sampling: float | None
    se_quantizer: float | None
    bias: float | None
    quantizer_std: float | None
    quantizer_seeds: int
    n_sequences: int
    n: int
    n_dropped_masked: int
    n_duplicates: int | None
    n_zero: int | None
    convention: str
    warnings: tuple[str, ...]

    def interval(self, level: float = 0.9) -> tuple[float, float] | None:
        """The interval that covers the expectation of the value at this n with probability `level`; None without error.

        Shifted by `-bias` it is one for the population's value, as far as the bias is known.
        """
        if self.std_error is None:
            return None
        return student_interval(self.value, Error(self.std_error, self.freedom), level)


@dataclass(frozen=True)
class Evaluation:
    """All measures of one cloud.

    Attributes:
      results: one for each measure, in the order asked for.
      spectrum: Float[q], eigenvalues of the covariance, descending, q = min(n, d).
      counts: for each quantizer that was used, Int[M, K]: points in every cell of the first refit.
      replicates: for each measure, Float[G]: its values without one group of sequences each, of the first refit; equal
        keys and equal sequences give equal groups, so that clouds can be compared in pairs. Empty without errors.
    """

    results: tuple[Result, ...]
    spectrum: np.ndarray
    counts: Mapping[str, np.ndarray]
    replicates: Mapping[str, np.ndarray]


def difference(first: Evaluation, second: Evaluation, measure: str) -> tuple[float, Error | None]:
    """A measure of one cloud minus that of another of the same sequences, and its error.

    The groups of sequences are left out of both clouds at once: what the sequences have in common cancels. The
    quantizers are fitted apart, so that their errors add.

    Returns:
      The difference, and None for the error where a part of it is not known, such as the quantizer's with one refit.
    """
    own, other = (
        next(result for result in evaluation.results if result.measure == measure) for evaluation in (first, second)
    )
    value = own.value - other.value
    replicates = [evaluation.replicates.get(measure) for evaluation in (first, second)]
    if own.se_sampling is None or other.se_sampling is None:
        return value, None
    sampling = jackknife(replicates[0].astype(np.float64) - replicates[1], value).error
    if not own.quantizer_seeds:
        return value, sampling
    if own.se_quantizer is None or other.se_quantizer is None:
        return value, None
    refits = [Error(result.se_quantizer, result.quantizer_seeds - 1.0) for result in (own, other)]
    return value, combined(sampling, *refits)
