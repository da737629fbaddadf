"""Models that differ from a trained one in one part: foreign or shuffled embeddings, or everything else made anew.

They are the non-standard models of arXiv 2406.12159: pure functions, whose result is saved and used as any model is.
"""

import dataclasses

import jax
import jax.numpy as jnp

from geojax.errors import InputError
from geojax.models.apply import Apply, Params, init
from geojax.typing import Key

CONVENTIONS = ("standard", "paper")


def transplant_embeddings(apply: Apply, params: Params, donor: Apply, donor_params: Params) -> tuple[Apply, Params]:
    """A model with the word embeddings of another, and its vocabulary; everything else stays, positions included.

    Args:
      apply, params: the model that receives, without a language-model head: that is tied to its own vocabulary.
      donor, donor_params: the model whose word embeddings are taken; it is left as it is.

    Returns:
      The function of the new architecture, with the donor's `vocab_size` and `pad_token_id`, and its parameters. The
      model speaks the donor's language: use the donor's tokenizer.

    Raises:
      InputError: embeddings of other widths, a language-model head, positions that another padding index would move.
    """
    ours, theirs = apply.config, donor.config
    if ours.embedding_width != theirs.embedding_width:
        raise InputError(
            f"the embeddings of {theirs.model_type} are {theirs.embedding_width} wide, those of {ours.model_type} "
            f"{ours.embedding_width}: a transplant needs equal widths"
        )
    if apply.head in ("masked_lm", "causal_lm"):
        raise InputError(f"head {apply.head!r} is tied to the vocabulary: load the model without it")
    if ours.architecture.offset_positions and ours.pad_token_id != theirs.pad_token_id:
        raise InputError(
            f"positions of {ours.model_type} count from its padding index {ours.pad_token_id}: a donor that pads with "
            f"{theirs.pad_token_id} would move them"
        )
    config = dataclasses.replace(ours, vocab_size=theirs.vocab_size, pad_token_id=theirs.pad_token_id)
    table = donor_params["embeddings"]["word_embeddings"]
    return dataclasses.replace(apply, config=config), _with_words(params, table["embedding"])


def shuffle_embeddings(params: Params, key: Key, convention: str = "standard") -> Params:
    """A model whose words have each other's embeddings.

    Args:
      params: any model's parameters.
      key: of the order of the rows.
      convention: "standard" permutes the rows. "paper" is the law of the published models, which a swap of views made:
        from the last row to the second, row i becomes a copy of row j, j uniform on 0..i, and row j stays; about half
        of the rows are left, many of them several times.

    Raises:
      InputError: unknown convention.
    """
    if convention not in CONVENTIONS:
        raise InputError(f"convention {convention!r} is unknown: choose one of {', '.join(CONVENTIONS)}")
    table = params["embeddings"]["word_embeddings"]["embedding"]
    rows = jnp.arange(len(table))
    # A row that is copied has a smaller index than all the rows that were overwritten before: it is still the original.
    order = (
        jax.random.permutation(key, rows)
        if convention == "standard"
        else jax.random.randint(key, rows.shape, 0, rows + 1)
    )
    return _with_words(params, table[order])


def reinitialise(apply: Apply, params: Params, key: Key, *, keep_embeddings: bool = False) -> Params:
    """An untrained model of the same architecture: the distribution of `init`.

    Args:
      apply, params: the trained model.
      key: of the fresh parameters.
      keep_embeddings: the embeddings of words, positions and token types, their LayerNorm and, where there is one,
        their projection stay trained.
    """
    fresh = init(apply, key)
    return fresh | {"embeddings": params["embeddings"]} if keep_embeddings else fresh


def _with_words(params: Params, table: jax.Array) -> Params:
    return params | {"embeddings": params["embeddings"] | {"word_embeddings": {"embedding": table}}}
