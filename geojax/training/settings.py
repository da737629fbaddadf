"""Settings of fine-tuning, and what every training derives from its settings: the rows at once, their order.

Defaults are those of arXiv 2406.12159: AdamW, linear decay, no warm-up, gradients clipped at norm 1.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from geojax.errors import InputError
from geojax.training import optimizers
from geojax.training.optimizers import Rates

DTYPES = ("float32", "bfloat16")
ROWS = 8  # of a part on a processor, where rows differ in length
TOKENS = 512  # of a part on a processor, about, where they do not


@dataclass(frozen=True)
class Settings:
    """What a fine-tuning depends on beside the model and the data.

    Attributes:
      learning_rate: its peak. warmup: the share of the steps over which it rises to that; it falls linearly after it.
      epochs, batch_size: passes over the training set, and examples a step.
      max_length: tokens; longer inputs are truncated.
      micro_batch: rows that go through the model at once; a step sums their gradients. 0 leaves it to the device that
        trains, as the function `rows_at_once` says.
      weight_decay: on kernels and embeddings.
      seed: of a new head, the order of the examples and dropout.
      optimizer: one of `optimizers.OPTIMIZERS`.
      dtype: of the layers' activations in training; predictions are made in float32.
      remat: computes each layer again in the backward pass: less memory, more time.

    Raises:
      InputError: a value outside its range.
    """

    learning_rate: float = 2e-5
    epochs: int = 3
    batch_size: int = 32
    max_length: int = 128
    micro_batch: int = 0
    weight_decay: float = 0.0
    seed: int = 42
    warmup: float = 0.0
    optimizer: str = "adamw"
    dtype: str = "float32"
    remat: bool = False

    def __post_init__(self):
        for name, least in (("epochs", 1), ("batch_size", 1), ("max_length", 1), ("micro_batch", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}: it must be a number above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"weight_decay is {self.weight_decay}: it must be a number from 0 on")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}: it must not be negative")
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup is {self.warmup}: give a share of the steps, from 0 to below 1")
        if self.dtype not in DTYPES:
            raise InputError(f"dtype {self.dtype!r} is unknown: choose one of {', '.join(DTYPES)}")
        optimizers.check(self.optimizer, self.weight_decay)

    @property
    def rows_at_once(self) -> int:
        """The rows of a micro-batch on the device that trains."""
        return rows_at_once(self.batch_size, asked=self.micro_batch)

    def record(self) -> dict[str, Any]:
        """What a result says of the settings it was made with."""
        return asdict(self) | {"micro_batch": self.rows_at_once}

    def steps(self, examples: int) -> int:
        """Optimizer steps on so many examples; the last, smaller batch of an epoch counts."""
        return self.epochs * math.ceil(examples / self.batch_size)

    def rates(self, total: int) -> Rates:
        """The optimizer's numbers in a run of so many steps."""
        warmup = min(math.ceil(self.warmup * total), total - 1)
        return Rates(*(np.float32(x) for x in (self.learning_rate, self.weight_decay, total, warmup)))

    def training(self, apply: Any) -> Any:
        """The model's function as it is trained."""
        default = self.dtype == "float32" and not self.remat
        return apply if default else replace(apply, dtype=self.dtype, remat=self.remat)


def rows_at_once(batch_size: int, length: int | None = None, asked: int = 0) -> int:
    """How many rows of a batch go through a model at once: `asked`, or what suits the device.

    An accelerator takes all of them: few would leave it idle. On a processor short parts save work, and their
    intermediate values stay in its cache: `ROWS` rows, or about `TOKENS` tokens where every row has one length.

    Args:
      batch_size: rows of a step.
      length: tokens of a row; the result divides `batch_size`. None: rows differ in length, and the last part may be
        smaller than the others.
      asked: 0 leaves it to the device.

    Raises:
      InputError: there is no row, or `asked` does not divide `batch_size` where it must.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: it must be at least 1")
    if length is not None and (asked < 0 or asked and batch_size % asked):
        raise InputError(f"micro_batch is {asked}: it must divide batch_size, {batch_size}; 0 suits the device")
    if asked or jax.default_backend() != "cpu":
        return asked or batch_size
    if length is None:
        return ROWS
    divisors = (rows for rows in range(1, batch_size + 1) if batch_size % rows == 0)
    return max((rows for rows in divisors if rows * length <= TOKENS), default=1)


def epoch_order(n: int, seed: int, epoch: int) -> Int[np.ndarray, "n"]:
    """The order of the examples in one epoch."""
    return np.random.default_rng((seed, epoch)).permutation(n)
