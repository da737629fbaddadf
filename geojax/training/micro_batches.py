"""How much of a batch goes through a model at once: the intermediate values of a part stay in a processor's cache."""

import jax

from geojax.errors import InputError

TOKENS = 512  # of a part, about, on a processor


def rows_at_once(batch_size: int, length: int, asked: int = 0) -> int:
    """How many rows of a batch go through a model at once: a divisor of `batch_size`.

    Args:
      batch_size: rows of a step.
      length: tokens of a row.
      asked: 0 is what suits the device: about `TOKENS` on a processor, all on an accelerator.

    Raises:
      InputError: `asked` does not divide `batch_size`.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: it must be at least 1")
    if asked < 0 or asked and batch_size % asked:
        raise InputError(f"micro_batch is {asked}: it must divide batch_size, {batch_size}; 0 suits the device")
    if asked or jax.default_backend() != "cpu":
        return asked or batch_size
    divisors = (rows for rows in range(1, batch_size + 1) if batch_size % rows == 0)
    return max((rows for rows in divisors if rows * length <= TOKENS), default=1)
