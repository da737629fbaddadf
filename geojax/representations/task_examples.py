"""Clouds of the examples of a task: one point for each text or pair of texts."""

from collections.abc import Callable
from typing import Any

import numpy as np

from geojax.data.glue.encode import encode
from geojax.data.glue.examples import Examples
from geojax.errors import InputError
from geojax.models import Model
from geojax.models.inputs import check_inputs
from geojax.representations.cloud import Cloud, check_finite
from geojax.representations.forward import digest, hidden
from geojax.representations.policies import POOLS
from geojax.version import __version__

POLICIES = ("cls", "last", "mean", "max")
# Most tokens of an example, as in fine-tuning by default, and examples in a batch.
MAX_LENGTH, ROWS = 128, 32


def clouds(
    model: Model,
    examples: Examples,
    *,
    layers: tuple[int, ...],
    tokens: str = "mean",
    allow_unknown: bool = False,
    provenance: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Cloud, ...]:
    """Runs every example through the model once, encoded as in fine-tuning, and returns a cloud for each layer.

    Args:
      model: an encoder with its tokenizer.
      examples: the examples, in the order of the points.
      layers: indices of hidden states, 0 the embeddings.
      tokens: "cls", the first position, "last", the last one, or "mean" or "max", of each coordinate over all positions
        of an example, special tokens included.
      allow_unknown: whether more than half of the tokens may be unknown to the tokenizer.
      provenance: facts for the provenance of the clouds.
      progress: called with (examples done, all examples) after every batch.

    Raises:
      InputError: another token policy, a token that the model's tables lack, too many unknown tokens, or a hidden state
        that is NaN or infinite.
    """
    if tokens not in POLICIES:
        raise InputError(
            f"token policy {tokens!r} does not give one point for each example here: choose {', '.join(POLICIES)}"
        )
    config = model.apply.config
    limit = min(MAX_LENGTH, config.max_position_embeddings - 3, config.max_length)
    encoded = encode(model.tokenizer, examples, limit, allow_unknown=allow_unknown)
    check_inputs(config, encoded.input_ids, encoded.token_type_ids)
    count = len(encoded)
    places = encoded.lengths - 1 if tokens == "last" else np.zeros(count, int)
    points = [np.empty((count, config.hidden_size), np.float32) for _ in layers]
    done = 0
    for rows, batch in encoded.by_length(np.arange(count), ROWS):
        inputs = {name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
        keep = batch["attention_mask"][: len(rows)].astype(bool)
        for target, state in zip(points, hidden(model.apply, model.params, inputs, layers), strict=True):
            vectors = np.asarray(state)[: len(rows)]
            pool = POOLS.get(tokens)
            target[rows] = pool(vectors, keep) if pool else vectors[np.arange(len(rows)), places[rows]]
        done += len(rows)
        if progress:
            progress(done, count)
    about = {"tokens": tokens, "sequences": count, "max_length": limit, "unknown_tokens": encoded.unknown}
    texts = zip(*(side for side in (examples.text_a, examples.text_b) if side is not None), strict=True)
    about |= {"sequences_sha256": digest(map("\t".join, texts)), "geojax": __version__}
    index, zeros = np.arange(count, dtype=np.int32), np.zeros(count, np.int32)
    chosen = zeros - 1 if tokens in POOLS else encoded.input_ids[index, places].astype(np.int32)
    made = tuple(
        Cloud(values, index, places.astype(np.int32), chosen, layer, about | (provenance or {}))
        for values, layer in zip(points, layers, strict=True)
    )
    for cloud in made:
        check_finite(cloud)
    return made
