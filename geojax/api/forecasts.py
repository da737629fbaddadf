"""What bridges keep of held-out texts: retrieval, cosine and R2, with errors over draws of anchors and intervals."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from geojax.alignment import fidelity
from geojax.api import bridges
from geojax.api.bridges import Fitted, Space
from geojax.api.trial import Trial
from geojax.measures.similarity import cka, mutual_knn
from geojax.regression.validation import bootstrap_counts
from geojax.runtime.progress import through

SIMILAR = {"cka": cka, "mutual_knn": mutual_knn}
JITTED: dict[str, Callable] = {name: jax.jit(measure) for name, measure in SIMILAR.items()}
RANKS = (1, 10)  # up to which the own text counts as retrieved
BOUNDED = ("retrieval_1", "retrieval_10", "cosine")  # columns that have an interval
OF_PAIR = (*SIMILAR, "chance", "own", "own_source", "as_is", "random")
Row = Mapping[str, Any]


class Samples(NamedTuple):
    """How often all of the data, first, and each bootstrap sample have every text and every draw."""

    texts: Int[np.ndarray, "b n"]
    draws: Int[np.ndarray, "b s"]
    level: float

    @classmethod
    def of(cls, texts: int, trial: Trial) -> "Samples":
        """Bootstrap samples of held-out texts and of draws."""
        counts = (
            bootstrap_counts(np.random.default_rng(trial.seed + number), size, trial.resamples)
            for number, size in enumerate((texts, trial.seeds))
        )
        return cls(*counts, trial.level)

    def means(self, values: Float[np.ndarray, "s n"]) -> Float[np.ndarray, "b"]:
        """The mean of a value for every draw, or for the only one, and text, in all of the data and in each sample."""
        values = np.broadcast_to(values, (self.draws.shape[1], values.shape[1]))
        return np.einsum("bn,bn->b", self.draws @ values, self.texts) / values.size

    def means_of_texts(self, values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "b"]:
        """The mean of a value for every text, in all of the data and in each sample."""
        return self.texts @ values / len(values)

    def interval(self, name: str, means: Float[np.ndarray, "b"]) -> dict[str, float]:
        """The first mean, and the ends of the interval by quantiles of the others that are defined, if any is."""
        known = means[1:][np.isfinite(means[1:])]
        tail = (1 - self.level) / 2
        low, high = np.quantile(known, [tail, 1 - tail]).tolist() if len(known) else (np.nan, np.nan)
        return {name: float(means[0]), f"{name}_low": low, f"{name}_high": high}

    def estimate(
        self, name: str, values: Float[np.ndarray, "draws m"] | Bool[np.ndarray, "draws m"]
    ) -> dict[str, float]:
        """The mean of a value, its interval over texts and draws, and its standard error over draws."""
        values = np.asarray(values, float)
        return self.interval(name, self.means(values)) | {f"{name}_se": std_error(values.mean(1))}


def std_error(by_draw: Sequence[float] | Float[np.ndarray, "draws"]) -> float:
    """The standard error of a mean over draws; NaN for one draw."""
    values = np.asarray(by_draw, float)
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else np.nan


def of_pair(
    source: Space,
    target: Space,
    trial: Trial,
    sizes: Sequence[int],
    similar: Mapping[str, float] | None = None,
    judged: Callable[[Fitted], Row] = lambda fitted: {},
) -> dict[str, Any]:
    """The record of two spaces: names, widths, the similarity of their held-out texts, and a row a bridge.

    A row of a method and number of anchors has means over held-out texts and draws, errors over draws, intervals over
    both, and the rank and the condition of the maps.

    Args:
      source, target: from and to.
      trial: the settings.
      sizes: numbers of anchors.
      similar: the similarity, where it is known.
      judged: more columns of a row, which stand before these, from the bridges of all draws.
    """
    found: dict[str, Any] = {"source": source.name, "target": target.name}
    found |= {"source_width": source.width, "target_width": target.width}
    found |= similar or similarity(source, target)
    count, rows = len(source.train), []
    orders, samples = trial.orders(count), Samples.of(len(source.held_out), trial)
    for size, method in through(list(itertools.product(sizes, trial.methods)), "fitting", "bridges"):
        drawn = orders[: trial.seeds if size < count else 1, :size]
        fitted = bridges.fit_draws(method, source, target, drawn, trial.seed)
        row = {"method": method, "anchors": size, "draws": len(drawn), **judged(fitted)}
        row |= _kept(fitted, target.held_out, samples)
        rows.append(row | {"warnings": "; ".join(bridges.remarks(method, size, source, target))})
    return found | {"rows": rows}


def similarity(source: Space, target: Space) -> dict[str, float]:
    """Measures of how alike the spaces of the held-out texts are."""
    narrow, wide = sorted((source, target), key=lambda one: one.width)  # one program for both orders
    return {name: float(measure(narrow.held_out, wide.held_out)) for name, measure in JITTED.items()}


def _kept(fitted: Fitted, true: Float[np.ndarray, "m e"], samples: Samples) -> dict[str, float]:
    """What bridges keep of held-out texts, whose own vectors are `true`; the rank and the condition of the maps."""
    found, ranks = {}, [fidelity.ranks(points, true) for points in fitted.translated]
    for most in RANKS:
        found |= samples.estimate(f"retrieval_{most}", np.stack([each.hits(most) for each in ranks]))
    found |= samples.estimate("cosine", np.stack([fidelity.cosines(points, true) for points in fitted.translated]))
    r2 = [float(fidelity.r2(points, true)) for points in fitted.translated]
    found |= {"r2": float(np.mean(r2)), "r2_se": std_error(r2)}
    return found | {"rank": float(fitted.rank.mean()), "condition": float(np.median(fitted.condition))}


def table(pair: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a record, each with the columns of the pair of spaces beside its own."""
    return [
        {name: pair[name] for name in ("source", "target", "source_width", "target_width")}
        | row
        | {name: pair[name] for name in OF_PAIR if name in pair}
        for row in pair["rows"]
    ]


def lines(rows: Sequence[Row]) -> dict[str, dict[str, list]]:
    """Lines against the number of anchors for `plots.curves`: means over pairs of spaces, or of one with intervals.

    Args:
      rows: of `table`, of one pair or of several.
    """
    panels: dict[str, dict[str, list]] = {}
    columns = [name for name in ("share_kept", *BOUNDED) if name in rows[0]]
    pairs = len({(row["source"], row["target"]) for row in rows})
    for column, head in itertools.product(columns, dict.fromkeys((row["method"], row["anchors"]) for row in rows)):
        own = [row for row in rows if (row["method"], row["anchors"]) == head and np.isfinite(row[column])]
        if not own:
            continue
        value = float(np.mean([row[column] for row in own]))
        low, high = (own[0][f"{column}{end}"] if pairs == 1 else np.nan for end in ("_low", "_high"))
        title = column.replace("_", " ") + (f", mean of {pairs} pairs" if pairs > 1 else "")
        panels.setdefault(title, {}).setdefault(head[0], []).append((head[1], value, low, high))
    return panels


def sentence(about: Mapping[str, Any]) -> str:
    """What a bridge keeps, in words, from the facts in its file."""
    kept = about["kept"]
    shares = ", ".join(f"{name.replace('_', '@')} {bounded(kept, name, ' to ')}" for name in BOUNDED)
    intervals = f", with {100 * about['level']:g} % intervals" if np.isfinite(kept["cosine_low"]) else ""
    return (
        f"{about['source']} to {about['target']} by {about['method']}, fitted on {about['texts']} texts; on "
        f"{about['held_out']} held-out texts: {shares}{intervals}, R2 {kept['r2']:.3f}"
    )


def bounded(row: Row, name: str, between: str) -> str:
    """A value of a row with its interval, where there is one, as text."""
    ends = [row[f"{name}{end}"] for end in ("_low", "_high")]
    said = f" ({ends[0]:.3f}{between}{ends[1]:.3f})" if np.isfinite(ends).all() else ""
    return f"{row[name]:.3f}{said}"
