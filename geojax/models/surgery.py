"""Changes to trained models: transplanted or shuffled word embeddings, and reinitialised parameters.

The results are the non-standard models of arXiv 2406.12159; they are saved and used like any model. All functions are
pure.
"""

import dataclasses

import jax
import jax.numpy as jnp

from geojax.errors import InputError
from geojax.models.apply import Apply, Params, init
from geojax.typing import Key

CONVENTIONS = ("standard", "paper")


def transplant_embeddings(apply: Apply, params: Params, donor: Apply, donor_params: Params) -> tuple[Apply, Params]:
    """A model with the word embeddings and the vocabulary of a donor; all other parameters stay, positions included.

    Args:
      apply, params: the receiving model; without a language-model head, which is tied to the model's own vocabulary.
      donor, donor_params: the model that the word embeddings are taken from; it stays unchanged.

    Returns:
      The function of the new model, with the donor's `vocab_size` and `pad_token_id`, and its parameters. The new model
      needs the donor's tokenizer.

    Raises:
      InputError: embeddings of different widths, a language-model head, or positions that the donor's padding index
        would shift.
    """
    ours, theirs = apply.config, donor.config
    if ours.embedding_width != theirs.embedding_width:
        raise InputError(
            f"the embeddings of {theirs.model_type} are {theirs.embedding_width} wide, those of {ours.model_type} "
            f"{ours.embedding_width}: a transplant needs equal widths"
        )
    if apply.head in ("masked_lm", "causal_lm"):
        raise InputError(f"head {apply.head!r} is tied to the vocabulary: load the model without it")
    if ours.architecture.numbering == "padding_idx" and ours.pad_token_id != theirs.pad_token_id:
        raise InputError(
            f"positions of {ours.model_type} count from its padding index {ours.pad_token_id}: a donor that pads with "
            f"{theirs.pad_token_id} would move them"
        )
    config = dataclasses.replace(ours, vocab_size=theirs.vocab_size, pad_token_id=theirs.pad_token_id)
    table = donor_params["embeddings"]["word_embeddings"]
    return dataclasses.replace(apply, config=config), _with_words(params, table["embedding"])


def shuffle_embeddings(params: Params, key: Key, convention: str = "standard") -> Params:
    """Parameters with shuffled word embeddings.

    Args:
      params: the parameters of any model.
      key: key of the shuffle.
      convention: "standard" permutes the rows of the table. "paper" has the distribution of the published models, which
        were made by a swap of views: from the last row to the second, row i becomes a copy of row j, j uniform on 0..i,
        and row j stays. On average about half of the rows remain, many of them several times.

    Raises:
      InputError: unknown convention.
    """
    if convention not in CONVENTIONS:
        raise InputError(f"convention {convention!r} is unknown: choose one of {', '.join(CONVENTIONS)}")
    table = params["embeddings"]["word_embeddings"]["embedding"]
    rows = jnp.arange(len(table))
    # Rows are overwritten from the last to the second, so row j ≤ i is still the original when it is copied to row i.
    order = (
        jax.random.permutation(key, rows)
        if convention == "standard"
        else jax.random.randint(key, rows.shape, 0, rows + 1)
    )
    return _with_words(params, table[order])


def reinitialise(apply: Apply, params: Params, key: Key, *, keep_embeddings: bool = False) -> Params:
    """Untrained parameters of the same architecture, drawn by `init`.

    Args:
      apply, params: the trained model.
      key: key of the new parameters.
      keep_embeddings: whether the embeddings of words, positions and token types, their LayerNorm and their projection,
        if there is one, stay trained.
    """
    fresh = init(apply, key)
    return fresh | {"embeddings": params["embeddings"]} if keep_embeddings else fresh


def _with_words(params: Params, table: jax.Array) -> Params:
    return params | {"embeddings": params["embeddings"] | {"word_embeddings": {"embedding": table}}}
