"""What a bridge from one space to another keeps: of the accuracy of the target's head, of vectors and of neighbours."""

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from configs import schema
from experiments.translate.heads import head_of
from experiments.translate.spaces import Place
from experiments.translate.texts import Texts, trial_of
from geojax.alignment.heads import Head
from geojax.api import bridges, forecasts
from geojax.api.bridges import Fitted, Space
from geojax.api.trial import Trial
from geojax.runtime.progress import ProgressLine
from geojax.runtime.run_once import kept

Hits = Bool[np.ndarray, "*draws m"]


def all_of(
    config: schema.Translate,
    places: Sequence[Place],
    own: Sequence[Space],
    texts: Texts,
    sizes: Sequence[int],
    parts: PurePath,
) -> list[dict[str, Any]]:
    """The record of every ordered pair of spaces, or of the only pair of a text file; those in `parts` are taken."""
    placed = list(zip(places, own, strict=True))
    pairs = list(itertools.permutations(placed, 2)) if texts.classes else [tuple(placed)]
    heads = {one.name: head_of(config, one, texts) for one in own} if texts.classes else {}
    found, similar, trial = [], {}, trial_of(config)
    with ProgressLine("translating", "pairs") as moved:
        for number, ((start, source), (end, target)) in enumerate(pairs, 1):
            names_of = frozenset((source.name, target.name))
            if texts.classes:
                make = partial(Pair(source, target, texts, heads).record, trial, sizes, similar.get(names_of))
            else:
                make = partial(forecasts.of_pair, source, target, trial, sizes)
            record = kept(parts / f"{start.file}_{end.file}.json", make, ("rows",))
            similar[names_of] = {name: record[name] for name in forecasts.SIMILAR}  # both are symmetric
            found.append(record)
            moved(number, len(pairs))
    return found


class Pair:
    """An ordered pair of spaces of texts with labels, and the heads of all spaces by their names."""

    def __init__(self, source: Space, target: Space, texts: Texts, heads: Mapping[str, Head]):
        self.source, self.target, self.texts, self.heads = source, target, texts, heads
        self.labels = texts.held_out.labels

    def record(self, trial: Trial, sizes: Sequence[int], similar: Mapping[str, float] | None) -> dict[str, Any]:
        """The similarity of the spaces, the reference values, and a row a method and number of anchors."""
        reference, samples = self.reference(), forecasts.Samples.of(len(self.labels), trial)
        judged = partial(self.judged, reference, samples)
        found = forecasts.of_pair(self.source, self.target, trial, sizes, similar, judged)
        found |= {"as_is": None} | {name: float(values.mean()) for name, values in reference.items()}
        # How many anchors give a random map its means and scales does not matter.
        drawn = trial.orders(len(self.texts.train))[:, : max(sizes)]
        fitted = bridges.fit_draws("random", self.source, self.target, drawn, trial.seed)
        found["random"] = float(self.correct(fitted).mean())
        return found

    def reference(self) -> dict[str, Hits]:
        """Whether held-out texts are classified rightly by the commonest class, by heads in their own spaces, and by
        the target's head on the source's vectors as they are."""
        commonest = np.bincount(self.texts.train.labels).argmax()
        found = {"chance": self.labels == commonest}
        for name, one in (("own", self.target), ("own_source", self.source)):
            found[name] = self.rightly(one.name, one.held_out)
        if self.source.width == self.target.width:
            found["as_is"] = self.rightly(self.target.name, self.source.held_out)
        return found

    def rightly(self, space: str, points: Float[np.ndarray, "m d"]) -> Bool[np.ndarray, "m"]:
        """Whether the head of a space classifies the vectors of the held-out texts rightly."""
        return np.asarray(self.heads[space](points)).argmax(1) == self.labels

    def correct(self, fitted: Fitted) -> Hits:
        """Whether the target's head classifies translated held-out texts rightly."""
        return np.stack([self.rightly(self.target.name, points) for points in fitted.translated])

    def judged(self, reference: Mapping[str, Hits], samples: forecasts.Samples, fitted: Fitted) -> dict[str, float]:
        """The accuracy, and the share kept, (stitched - chance) / (own - chance); NaN where the target's own head is no
        better than chance."""
        correct = self.correct(fitted)
        chance, own = (samples.means_of_texts(reference[name].astype(float)) for name in ("chance", "own"))
        gain = np.where(own > chance, own - chance, np.nan)
        share = (samples.means(correct.astype(float)) - chance) / gain
        found = samples.estimate("accuracy", correct) | samples.interval("share_kept", share)
        return found | {"share_kept_se": forecasts.std_error((correct.mean(1) - chance[0]) / gain[0])}
