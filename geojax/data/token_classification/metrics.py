"""Precision, recall and F1 of entities, as seqeval computes them in its default mode."""

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from geojax.data.task_data import Score
from geojax.data.token_classification.encode import EncodedSentences
from geojax.data.token_classification.examples import Task
from geojax.data.token_classification.schemes import PREFIXES, Entities, entities, parse
from geojax.errors import InputError

Counts = Num[np.ndarray, "b"]
Places = Int[np.ndarray, "k"]


def score(task: Task, outputs: Float[np.ndarray, "n padded labels"], encoded: EncodedSentences) -> Score:
    """Scores the outputs of a head; the score is F1 of entities, in [0, 1].

    * `precision`, `recall`, `f1`: of entities of all types together (micro-averages); an entity that is found is
      correct if its first word, its last word and its type are;
    * `accuracy`: the share of words with the right tag.

    A word without a piece of its own counts as tagged O. Where nothing is found, precision is NaN, and so are recall
    without an entity to find and F1 without both; seqeval gives 0 there, with a warning.

    Args:
      task: names the tags.
      outputs: logits of every token; the first output of a word is that of its first piece.
      encoded: the words.

    Raises:
      InputError: outputs are not finite, because the training diverged.
    """
    held = encoded.place >= 0
    at = outputs[encoded.sentence[held], encoded.place[held]]
    if bad := int((~np.isfinite(at)).any(-1).sum()):
        raise InputError(
            f"the outputs of {bad} of {len(at)} words on {task.name} are not finite: the training diverged; lower the "
            "learning rate, or check the model's parameters"
        )
    codes = np.full(len(encoded.gold), task.label_names.index("O"))
    codes[held] = at.argmax(-1)
    found, true = (entities_of(task, tags, encoded.sentence) for tags in (codes, encoded.gold))
    correct, there, said = (np.array([n]) for n in (hits(found, true).sum(), len(true.first), len(found.first)))
    metrics = {"precision": ratio(correct, said), "recall": ratio(correct, there), "f1": f1(correct, said, there)}
    metrics = {name: float(value[0]) for name, value in metrics.items()}
    metrics["accuracy"] = float((codes == encoded.gold).mean())
    reasons = {"precision": "no entity is found", "recall": "there is no entity to find"}
    reasons["f1"] = " and ".join(reasons.values())
    undefined = {name: reason for name, reason in reasons.items() if np.isnan(metrics[name])}
    collapsed = len(codes) > 1 and bool((codes == codes[0]).all())
    return Score(metrics["f1"], metrics, collapsed, undefined)


def entities_of(task: Task, codes: Int[np.ndarray, "n"], sentence: Int[np.ndarray, "n"]) -> Entities:
    """The entities of words with these tags, given as places among the task's label names."""
    tags = [parse(name) for name in task.label_names]
    kinds = list(dict.fromkeys(tag.kind for tag in tags))
    prefixes = np.array([PREFIXES.index(tag.prefix) for tag in tags])
    return entities(prefixes[codes], np.array([kinds.index(tag.kind) for tag in tags])[codes], sentence)


def hits(found: tuple[Places, ...], true: tuple[Int[np.ndarray, "m"], ...]) -> Bool[np.ndarray, "k"]:
    """Which of the spans found are true ones, each given by its first word, its last word and its type, if any."""
    known = set(zip(*(column.tolist() for column in true), strict=True))
    return np.array([each in known for each in zip(*(column.tolist() for column in found), strict=True)], bool)


def f1(correct: Counts, predicted: Counts, gold: Counts) -> Float[np.ndarray, "b"]:
    """The harmonic mean of precision and recall, 2 correct / (predicted + gold); NaN where both are 0."""
    return ratio(2 * correct, predicted + gold)


def ratio(above: Counts, below: Counts) -> Float[np.ndarray, "b"]:
    """above / below; NaN where `below` is 0."""
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)
