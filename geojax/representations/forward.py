"""Forward pass of sequences: tokenization, token policies, batches of a few padded shapes, hidden states."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from geojax.errors import InputError
from geojax.models.apply import Apply, Params
from geojax.models.inputs import check_inputs
from geojax.models.torch_backend import TorchApply
from geojax.models.unknown import check_unknown, tokenize, unknown_share
from geojax.representations import policies
from geojax.representations.policies import BEYOND_HYPERPLANE, ONE_EACH, POLICIES, POOLS, Pool
from geojax.representations.sentence_transformers import SentenceEncoder
from geojax.version import __version__

LENGTHS = (8, 16, *(n << k for k in range(13) for n in (24, 32)))  # 24, 32, 48, 64, ..., 98304, 131072
TOKENS_PER_BATCH = 4096


@dataclass(frozen=True)
class Encoded:
    """Tokenized sequences, and the positions that a token policy keeps.

    Attributes:
      ids: tokens of every sequence.
      lengths: number of tokens of every sequence.
      kept: positions of every sequence with a vector that is a point, or that its one point is made of.
      pool: what makes one point of the vectors at the kept positions of a sequence; None: each is a point.
      width: number of coordinates of a point.
      counts: number of points of every sequence.
      longest: the number of tokens at which sequences are cut.
      normalised: hidden states that a LayerNorm gives.
      provenance: token policy, number of sequences and their digest, truncations, share of unknown tokens, digests of
        the tokenizer's vocabulary and of words that are points, geojax version, facts of the caller.
      origin: for masked copies of sequences, one for each point, the sequences.
    """

    ids: list[list[int]]
    lengths: Int[np.ndarray, "sequences"]
    kept: list[np.ndarray]
    pool: Pool | None
    width: int
    counts: Int[np.ndarray, "sequences"]
    longest: int
    normalised: tuple[int, ...]
    provenance: dict[str, Any]
    origin: "Encoded | None" = None

    def index(self) -> dict[str, Int[np.ndarray, "n"]]:
        """Sequence, position and token of every point; position 0 and token -1 for a point made of several tokens.

        The token of a masked copy is the one that the mask stands for.
        """
        if self.origin is not None:
            return self.origin.index()
        position = np.zeros(len(self.ids)) if self.pool else np.concatenate(self.kept)
        tokens = (
            np.full(len(self.ids), -1)
            if self.pool
            else np.concatenate([np.asarray(row)[kept] for row, kept in zip(self.ids, self.kept, strict=True)])
        )
        return {
            "sequence_index": np.repeat(np.arange(len(self.ids), dtype=np.int32), self.counts),
            "position": position.astype(np.int32),
            "token_id": tokens.astype(np.int32),
        }


class Batch(NamedTuple):
    """Some sequences and their hidden states on the device, one Float[size, length, d] for each requested layer."""

    rows: Int[np.ndarray, "rows"]
    states: list[Float[Array | np.ndarray, "size length d"]]


def encode(
    apply: Apply | TorchApply,
    tokenizer: Any,
    sequences: Sequence[str],
    tokens: str | SentenceEncoder,
    provenance: dict[str, Any] | None = None,
    *,
    allow_unknown: bool = False,
) -> Encoded:
    """Tokenizes sequences, cut at the smaller of `max_position_embeddings - 3` and `max_length` of the config.

    Args:
      apply, tokenizer: as `models.load` returns them.
      sequences: texts.
      tokens: token policy; of "sentence_transformers" what the model's folder says (`sentence_transformers.read`).
      provenance: facts from the caller, which the provenance of the result takes in.

    Raises:
      InputError: an unknown token policy, "cls" for a tokenizer without a [CLS] token, no sequence, a sequence without
        a token where each needs one, a token that the model's vocabulary lacks, or more than half of the tokens unknown
        to the tokenizer without `allow_unknown`.
    """
    recipe, policy = (tokens, "sentence_transformers") if isinstance(tokens, SentenceEncoder) else (None, tokens)
    if policy not in POLICIES:
        raise InputError(f"token policy {tokens!r} is unknown: choose one of {', '.join(POLICIES)}")
    if tokens == "sentence_transformers":
        raise InputError("token policy 'sentence_transformers' is in a model's folder: sentence_transformers.read it")
    if policy == "cls" and tokenizer.cls_token_id is None:
        raise InputError(f"token policy 'cls' needs a [CLS] token, and {apply.config.model_type} puts none into a text")
    if not sequences:
        raise InputError("no sequences to sample")
    limit = min(apply.config.max_position_embeddings - 3, apply.config.max_length)
    if recipe:
        limit = _longest(apply, tokenizer, recipe)
    if limit <= tokenizer.num_special_tokens_to_add():
        raise InputError(f"the model has {apply.config.max_length} positions, too few for a token of a sequence")
    read = recipe.texts(sequences) if recipe else list(sequences)
    encoding = tokenize(tokenizer, read, truncation=True, max_length=limit, return_token_type_ids=False)
    ids = encoding["input_ids"]
    check_inputs(apply.config, np.fromiter(chain.from_iterable(ids), np.int64))
    lengths = np.array([len(row) for row in ids])
    if policy in ONE_EACH and not lengths.all():
        raise InputError(f"sequence {np.argmin(lengths)} has no token, and token policy {policy!r} needs one")
    if policy == "cls" and any(row[0] != tokenizer.cls_token_id for row in ids):
        raise InputError("token policy 'cls' needs a [CLS] token, and the model's tokenizer begins no text with it")
    unknown = unknown_share(tokenizer, ids, (read,))
    check_unknown(unknown, "the sequences", allow_unknown)
    kept = policies.kept(encoding, policy)
    pool = recipe or POOLS.get(policy)
    counts = np.ones(len(ids), int) if pool else np.array([len(positions) for positions in kept])
    about = {
        "tokens": policy,
        "sequences": len(ids),
        "sequences_sha256": digest(sequences),
        "truncated": _count_truncated(tokenizer, read, lengths, limit),
        "unknown_tokens": unknown,
        "tokenizer_sha256": digest(f"{number} {entry}" for entry, number in sorted(tokenizer.get_vocab().items())),
        "geojax": __version__,
    } | (provenance or {})
    if policy == "word":
        about["words_sha256"] = digest_of_words(policies.words(encoding, sequences, kept))
    if recipe:
        about["sentence_transformers"] = recipe.about
    width = recipe.width if recipe else apply.config.hidden_size
    flat = () if policy in BEYOND_HYPERPLANE else apply.config.normalised
    return Encoded(ids, lengths, kept, pool, width, counts, limit, flat, about)


def _longest(apply: Apply | TorchApply, tokenizer: Any, recipe: SentenceEncoder) -> int:
    """The number of tokens at which sentence-transformers cuts a text."""
    if recipe.inputs != apply.config.hidden_size:
        raise InputError(
            f"the pooling takes vectors of {recipe.inputs} coordinates, and the model's have {apply.config.hidden_size}"
        )
    return min(recipe.longest or tokenizer.model_max_length, apply.config.max_length)


def digest(texts: Iterable[str]) -> str:
    """The SHA-256 of texts, one a line."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def digest_of_words(words: Iterable[Sequence[str]]) -> str:
    """The SHA-256 of the words of sequences, from which points of words of two tokenizers are known to be the same."""
    return digest(" ".join(row) for row in words)


def masked(encoded: Encoded, tokenizer: Any) -> Encoded:
    """A copy of its sequence for every point, with the mask token in place of the point's own token.

    A sequence of k points becomes k sequences, so the forward pass costs k times as much.

    Raises:
      InputError: the tokenizer has no mask token, as GPT-2's, or a point is made of several tokens or is special.
    """
    if tokenizer.mask_token_id is None:
        raise InputError("masked vectors need a mask token, and the model's tokenizer has none: take an encoder")
    if encoded.pool or encoded.provenance["tokens"] not in ("content", "word"):
        raise InputError(
            f"masked vectors are those of words or of other tokens of the text, and the token policy is "
            f"{encoded.provenance['tokens']!r}: choose word or content"
        )
    ids = [
        [*row[:place], tokenizer.mask_token_id, *row[place + 1 :]]
        for row, places in zip(encoded.ids, encoded.kept, strict=True)
        for place in places
    ]
    return replace(
        encoded,
        ids=ids,
        lengths=np.repeat(encoded.lengths, encoded.counts),
        kept=[np.array([place]) for places in encoded.kept for place in places],
        counts=np.ones(len(ids), int),
        provenance=encoded.provenance | {"masked": True},
        origin=encoded,
    )


def run(
    apply: Apply | TorchApply,
    params: Params,
    encoded: Encoded,
    layers: tuple[int, ...],
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Batch]:
    """Runs every sequence through the model once, in float32 with products at the highest precision.

    Sequences are padded to one of a few lengths; padding is masked and never changes a vector.
    """
    done = 0
    for length, rows in _batches(encoded.lengths, encoded.longest):
        size = max(1, TOKENS_PER_BATCH // length)
        batch_ids = np.full((size, length), apply.config.pad_token_id or 0, np.int32)
        mask = np.zeros((size, length), np.int32)
        for place, row in enumerate(rows):
            batch_ids[place, : encoded.lengths[row]] = encoded.ids[row]
            mask[place, : encoded.lengths[row]] = 1
        yield Batch(rows, hidden(apply, params, {"input_ids": batch_ids, "attention_mask": mask}, layers))
        done += len(rows)
        if progress:
            progress(done, len(encoded.ids))


def hidden(
    apply: Apply | TorchApply, params: Params, batch: dict[str, Any], layers: tuple[int, ...]
) -> list[Float[Array | np.ndarray, "B T d"]]:
    """Hidden states of some layers, in float32."""
    if isinstance(apply, TorchApply):
        return apply.hidden(batch, layers)
    return compiled(apply, params, batch, layers)


@partial(jax.jit, static_argnames=("apply", "layers"))
def compiled(apply: Apply, params: Params, batch: dict[str, Array], layers: tuple[int, ...]) -> list[Array]:
    """`hidden` of geojax's own modules."""
    with jax.default_matmul_precision("highest"):
        states = apply(params, batch)["hidden_states"]
    return [states[layer].astype(np.float32) for layer in layers]


def _batches(lengths: Int[np.ndarray, "sequences"], longest: int) -> Iterator[tuple[int, Int[np.ndarray, "rows"]]]:
    """Batches of sequences by padded length: (length, indices), with at most the fixed batch size of the length."""
    ladder = np.array([length for length in LENGTHS if length < longest] + [longest])
    rungs = np.searchsorted(ladder, lengths)
    for rung in np.unique(rungs)[::-1]:  # longest first: too little memory fails at once
        members = np.flatnonzero(rungs == rung)
        size = max(1, TOKENS_PER_BATCH // int(ladder[rung]))
        for start in range(0, len(members), size):
            yield int(ladder[rung]), members[start : start + size]


def _count_truncated(tokenizer: Any, sequences: Sequence[str], lengths: np.ndarray, limit: int) -> int:
    """Number of sequences that were cut; only sequences of `limit` tokens are tokenized again."""
    full = [sequences[row] for row in np.flatnonzero(lengths == limit)]
    return sum(len(row) > limit for row in tokenize(tokenizer, full, truncation=False)["input_ids"]) if full else 0
