"""Checks of what a model looks up in its tables, on the host and once: a compiled program would read other rows."""

from typing import Any

from geojax.models.config import ModelConfig
from geojax.models.torch_backend import TorchConfig
from geojax.ops.arrays import check_places


def check_inputs(config: ModelConfig | TorchConfig, input_ids: Any, token_type_ids: Any = None) -> None:
    """Raises an InputError for the first token id or token type that the tables of a model lack; traced ones pass.

    Args:
      config: the model.
      input_ids: integers of any shape, below `vocab_size`.
      token_type_ids: integers of any shape, below `type_vocab_size`, read by models with token types; None: all 0.
    """
    check_places(input_ids, config.vocab_size, "token id", "the model's vocabulary")
    if token_type_ids is not None and config.architecture.token_types:
        check_places(token_type_ids, config.type_vocab_size, "token type", "the model's table of token types")
