"""Scores of predicted tags: spans, words and terms, in all utterances and in bootstrap samples of them."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from geojax.data.terms.files import Utterances
from geojax.data.token_classification.metrics import f1, hits, ratio
from geojax.data.token_classification.schemes import entities

SCORES = ("span_f1", "token_f1", "term_f1", "term_recall", "seen_term_f1", "unseen_term_f1")


class Spans(NamedTuple):
    """The spans of tagged words: the places of their first and last words, the utterance and the term of each."""

    first: Int[np.ndarray, "k"]
    last: Int[np.ndarray, "k"]
    utterance: Int[np.ndarray, "k"]
    terms: list[str]


def spans(utterances: Utterances, tags: Int[np.ndarray, "n"]) -> Spans:
    """The spans of the words of utterances; a term is the lower-cased words of a span.

    Args:
      utterances: the words.
      tags: codes of the tags of all words; an I without a term to go on with begins one.
    """
    index, words = utterances.index, utterances.flat
    first, last, _ = entities(tags, np.zeros_like(tags), index)
    terms = [" ".join(words[start : end + 1]) for start, end in zip(first, last, strict=True)]
    return Spans(first, last, index[first], terms)


def scores(
    utterances: Utterances,
    predicted: Int[np.ndarray, "n"],
    seen: Collection[str],
    counts: Int[np.ndarray, "b u"] | None = None,
) -> dict[str, Float[np.ndarray, "b"]]:
    """The scores of predicted tags in samples of the utterances.

    * `span_f1`: of spans, a prediction correct if both its ends are;
    * `token_f1`: of words, a prediction correct if both tags, or neither, say that the word is part of a term;
    * `term_f1`, `term_recall`: of the set of distinct terms, lower-cased, wherever they are found;
    * `seen_term_f1`, `unseen_term_f1`: the same among the terms in `seen`, and among all others.

    Args:
      utterances: the words with their true tags.
      predicted: codes of the predicted tags.
      seen: terms, lower-cased, that training has shown.
      counts: how often each sample has each utterance; None: one sample, every utterance once.

    Returns:
      Values in [0, 1] of every sample; NaN where there is nothing to find and nothing is found, or for recall where
      there is nothing to find.

    Cost: O(b · n) time; O(b · k) memory for k spans.
    """
    counts = np.ones((1, len(utterances)), int) if counts is None else counts
    true, found = spans(utterances, utterances.tags), spans(utterances, predicted)
    index = utterances.index

    def total(utterance: np.ndarray) -> np.ndarray:
        """How many of some items a sample has, given the utterance of each."""
        return counts @ np.bincount(utterance, minlength=len(utterances))

    hit = hits((found.first, found.last), (true.first, true.last))
    inside, told = utterances.tags != 0, predicted != 0
    values = {
        "span_f1": f1(total(found.utterance[hit]), total(found.utterance), total(true.utterance)),
        "token_f1": f1(total(index[inside & told]), total(index[told]), total(index[inside])),
    }
    names = {term: place for place, term in enumerate(dict.fromkeys([*true.terms, *found.terms]))}
    there, said = (_present(some, names, counts) for some in (true, found))
    known = np.array([term in seen for term in names], bool)
    for name, among in (("term", np.ones_like(known)), ("seen_term", known), ("unseen_term", ~known)):
        both, gold_terms = (there & said)[:, among].sum(1), there[:, among].sum(1)
        values[f"{name}_f1"] = f1(both, said[:, among].sum(1), gold_terms)
        if name == "term":
            values["term_recall"] = ratio(both, gold_terms)
    return values


def _present(some: Spans, names: dict[str, int], counts: Int[np.ndarray, "b u"]) -> np.ndarray:
    """Whether each sample has each term, Bool[b, terms]."""
    present = np.zeros((len(counts), len(names)), bool)
    if some.terms:
        place = np.array([names[term] for term in some.terms])
        order = np.argsort(place, kind="stable")
        term, starts = np.unique(place[order], return_index=True)
        present[:, term] = np.maximum.reduceat(counts[:, some.utterance[order]], starts, axis=1) > 0
    return present
