"""What a bridge from one space to another keeps: of the accuracy of the target's head, of vectors and of neighbours."""

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from configs import schema
from configs.lists import names
from experiments.translate import bridges
from experiments.translate.heads import head_of
from experiments.translate.resampling import Samples, std_error
from experiments.translate.spaces import Place, Space
from experiments.translate.texts import Texts
from geojax.alignment import fidelity
from geojax.alignment.heads import Head
from geojax.measures.similarity import cka, mutual_knn
from geojax.runtime.progress import ProgressLine
from geojax.runtime.run_once import kept

SIMILAR = {"cka": cka, "mutual_knn": mutual_knn}
RANKS = (1, 10)  # up to which the own text counts as retrieved

log = logging.getLogger(__name__)

Hits = Bool[np.ndarray, "*draws m"]


def all_of(
    config: schema.Translate, own: Sequence[Space], texts: Texts, sizes: Sequence[int], parts: PurePath
) -> list[dict[str, Any]]:
    """The record of every ordered pair of spaces, or of the only pair of a text file; those in `parts` are taken."""
    pairs = list(itertools.permutations(own, 2)) if texts.classes else [(own[0], own[1])]
    heads = {one.place: head_of(config, one, texts) for one in own} if texts.classes else {}
    found, similar = [], {}
    with ProgressLine("translating", "pairs") as moved:
        for number, (source, target) in enumerate(pairs, 1):
            names_of = frozenset((source.place, target.place))
            path = parts / f"{source.place.file}_{target.place.file}.json"
            make = partial(Pair(config, source, target, texts, heads).record, sizes, similar.setdefault(names_of, {}))
            record = kept(path, make, ("rows",))
            similar[names_of] = {name: record[name] for name in SIMILAR}  # both are symmetric
            found.append(record)
            moved(number, len(pairs))
    return found


def orders(config: schema.Translate, count: int) -> Int[np.ndarray, "draws n"]:
    """An order of the texts for every draw; its first k are the anchors."""
    return np.stack([np.random.default_rng([config.seed, draw]).permutation(count) for draw in range(config.seeds)])


class Pair:
    """An ordered pair of spaces, with the heads of all spaces; no heads where the texts have no labels."""

    def __init__(self, config: schema.Translate, source: Space, target: Space, texts: Texts, heads: Mapping[Any, Head]):
        self.config, self.source, self.target, self.texts, self.heads = config, source, target, texts, heads
        settings = (config.resamples, config.level, config.seed)
        self.samples = Samples.of(len(texts.held_out), config.seeds, *settings)
        self.labels = texts.held_out.labels

    def record(self, sizes: Sequence[int], similar: Mapping[str, float]) -> dict[str, Any]:
        """The similarity of the spaces, the reference values, and a row a method and number of anchors."""
        found: dict[str, Any] = {"source": self.source.place.name, "target": self.target.place.name}
        found |= {"source_width": self.source.width, "target_width": self.target.width}
        found |= similar or similarity(self.source, self.target)
        reference = {}
        if self.heads:
            reference = self.reference()
            found |= {name: float(values.mean()) for name, values in reference.items()}
            if self.source.width != self.target.width:
                found["as_is"] = None
        found["rows"] = []
        methods, count = names(self.config.methods), len(self.texts.train)
        if self.heads:  # how many anchors give a random map its means and scales does not matter
            drawn = orders(self.config, count)[:, : max(sizes)]
            found["random"] = float(self.correct(self.fit("random", drawn)).mean())
        if not self.heads and self.config.method not in methods:
            methods = (self.config.method, *methods)
        for size in sizes:
            drawn = orders(self.config, count)[: self.config.seeds if size < count else 1, :size]
            for method in methods:
                row = {"method": method, "anchors": size} | self.row(self.fit(method, drawn), reference)
                row["warnings"] = "; ".join(bridges.warnings(method, size, self.source, self.target))
                found["rows"].append(row)
        return found

    def fit(self, method: str, drawn: Int[np.ndarray, "draws k"]) -> bridges.Fitted:
        """The bridges of a method from some draws of anchors."""
        return bridges.fit(method, self.source, self.target, drawn, self.config)

    def reference(self) -> dict[str, Hits]:
        """Whether held-out texts are classified rightly by the commonest class, by heads in their own spaces, and by
        the target's head on the source's vectors as they are."""
        commonest = np.bincount(self.texts.train.labels).argmax()
        found = {"chance": self.labels == commonest}
        for name, one in (("own", self.target), ("own_source", self.source)):
            found[name] = self.rightly(one.place, one.held_out)
        if self.source.width == self.target.width:
            found["as_is"] = self.rightly(self.target.place, self.source.held_out)
        return found

    def rightly(self, place: Place, points: Float[np.ndarray, "m d"]) -> Bool[np.ndarray, "m"]:
        """Whether the head of a place classifies the vectors of the held-out texts rightly."""
        return np.asarray(self.heads[place](points)).argmax(1) == self.labels

    def correct(self, fitted: bridges.Fitted) -> Hits:
        """Whether the target's head classifies translated held-out texts rightly."""
        return np.stack([self.rightly(self.target.place, points) for points in fitted.translated])

    def row(self, fitted: bridges.Fitted, reference: Mapping[str, Hits]) -> dict[str, Any]:
        """Means over held-out texts and draws with errors and intervals; the rank and the condition of the maps."""
        found: dict[str, Any] = {"draws": len(fitted.translated)}
        if self.heads:
            correct = self.correct(fitted)
            found |= self.estimate("accuracy", correct) | self.share(correct, reference)
        true = self.target.held_out
        ranks = [fidelity.ranks(points, true) for points in fitted.translated]
        for most in RANKS:
            found |= self.estimate(f"retrieval_{most}", np.stack([each.hits(most) for each in ranks]))
        found |= self.estimate("cosine", np.stack([fidelity.cosines(points, true) for points in fitted.translated]))
        r2 = [float(fidelity.r2(points, true)) for points in fitted.translated]
        found |= {"r2": float(np.mean(r2)), "r2_se": std_error(r2)}
        return found | {"rank": float(fitted.rank.mean()), "condition": float(np.median(fitted.condition))}

    def estimate(self, name: str, values: Float[np.ndarray, "draws m"] | Hits) -> dict[str, float]:
        """The mean of a value, its standard error over draws, and its interval over texts and draws."""
        values = np.asarray(values, float)
        found = self.samples.estimate(name, self.samples.means(values))
        return found | {f"{name}_se": std_error(values.mean(1))}

    def share(self, correct: Hits, reference: Mapping[str, Hits]) -> dict[str, float]:
        """(stitched - chance) / (own - chance); NaN where the target's own head is no better than chance."""
        chance, own = (self.samples.means_of_texts(reference[name].astype(float)) for name in ("chance", "own"))
        stitched = self.samples.means(correct.astype(float))
        gain = np.where(own > chance, own - chance, np.nan)
        found = self.samples.estimate("share_kept", (stitched - chance) / gain)
        return found | {"share_kept_se": std_error((correct.mean(1) - chance[0]) / gain[0])}


def similarity(source: Space, target: Space) -> dict[str, float]:
    """Measures of how alike the spaces of the held-out texts are, which read no labels."""
    narrow, wide = sorted((source, target), key=lambda one: one.width)  # one program for both orders
    return {name: float(measure(narrow.held_out, wide.held_out)) for name, measure in JITTED.items()}


JITTED: dict[str, Callable] = {name: jax.jit(measure) for name, measure in SIMILAR.items()}
