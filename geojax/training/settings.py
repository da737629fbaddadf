"""Settings of fine-tuning; micro-batch size and order of the examples, for every kind of training.

The defaults come from arXiv 2406.12159: AdamW, linear decay, no warm-up, gradients clipped at norm 1.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from geojax.errors import InputError
from geojax.models.lora import Lora
from geojax.training import optimizers
from geojax.training.optimizers import Rates

DTYPES = ("float32", "bfloat16")
LEAST = (("epochs", 1), ("batch_size", 1), ("max_length", 1), ("micro_batch", 0), ("lora_rank", 0))
ROWS = 8  # rows of a micro-batch on a CPU, if rows differ in length
TOKENS = 512  # tokens of a micro-batch on a CPU if all rows have one length: at most, unless one row has more


@dataclass(frozen=True)
class Settings:
    """All settings that a fine-tuning depends on, apart from the model and the data.

    Attributes:
      learning_rate: the peak learning rate.
      warmup: share of the steps over which the learning rate rises linearly to its peak; then it falls linearly.
      epochs, batch_size: passes over the training set; examples per step.
      max_length: tokens; longer inputs are truncated.
      micro_batch: rows that go through the model at once; a step sums their gradients. 0: the function `rows_at_once`
        chooses by the device.
      weight_decay: weight decay of kernels and embeddings.
      seed: seed of a new head, the order of the examples and dropout.
      optimizer: one of `optimizers.OPTIMIZERS`.
      dtype: type of the layers' activations in training; predictions are made in float32.
      remat: whether the backward pass computes each layer again, which takes less memory and more time.
      lora_rank: r of LoRA: adapters of this rank, pooler and head are trained, all else is frozen; 0: all is trained.
      lora_alpha: adapters are scaled by lora_alpha / lora_rank.
      lora_targets: names of the kernels with an adapter, separated by commas (`models.lora.Lora`).

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
    lora_rank: int = 0
    lora_alpha: float = 16.0
    lora_targets: str = "query,value"

    def __post_init__(self):
        for name, least in LEAST:
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
        if not 0 < self.lora_alpha < math.inf:
            raise InputError(f"lora_alpha is {self.lora_alpha}: it must be a number above 0")
        optimizers.check(self.optimizer, self.weight_decay)

    @property
    def rows_at_once(self) -> int:
        """The rows of a micro-batch on the default device."""
        return rows_at_once(self.batch_size, asked=self.micro_batch)

    def plain(self) -> dict[str, Any]:
        """The settings that a result depends on; those of LoRA only where there are adapters."""
        return {name: value for name, value in asdict(self).items() if self.lora_rank or not name.startswith("lora_")}

    def record(self) -> dict[str, Any]:
        """The settings as a result records them, with the number of rows that `micro_batch` stands for."""
        return self.plain() | {"micro_batch": self.rows_at_once}

    def steps(self, examples: int) -> int:
        """The number of optimizer steps on `examples` examples; a last, smaller batch of an epoch is a step."""
        return self.epochs * math.ceil(examples / self.batch_size)

    def rates(self, total: int) -> Rates:
        """The optimizer's numbers in a training of `total` steps."""
        warmup = min(math.ceil(self.warmup * total), total - 1)
        return Rates(*(np.float32(x) for x in (self.learning_rate, self.weight_decay, total, warmup)))

    def lora(self) -> Lora | None:
        """The settings of the adapters; None where all parameters are trained."""
        targets = tuple(filter(None, (name.strip() for name in self.lora_targets.split(","))))
        return Lora(self.lora_rank, self.lora_alpha, targets) if self.lora_rank else None

    def training(self, apply: Any) -> Any:
        """The model's function with the `dtype` and `remat` of these settings."""
        default = self.dtype == "float32" and not self.remat
        return apply if default else replace(apply, dtype=self.dtype, remat=self.remat)


def rows_at_once(batch_size: int, length: int | None = None, asked: int = 0) -> int:
    """The rows of a batch that go through a model at once: `asked`, or a number chosen by the device.

    On an accelerator it is the whole batch, because a few rows leave the device idle. On a CPU it is `ROWS` rows, or
    about `TOKENS` tokens if all rows have one length: small micro-batches need less padding, and their intermediate
    values stay in the cache.

    Args:
      batch_size: rows per step.
      length: tokens of every row; the result then divides `batch_size`. None: rows differ in length, and the last
        micro-batch may be smaller than the others.
      asked: the number of rows; 0 chooses by the device.

    Raises:
      InputError: `batch_size` is below 1, or `length` is given and `asked` is negative or does not divide `batch_size`.
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
    """The order of the examples in one epoch: a permutation of 0 to n - 1, a function of `seed` and `epoch`."""
    return np.random.default_rng((seed, epoch)).permutation(n)
