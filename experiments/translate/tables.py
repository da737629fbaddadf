"""The tables, figures and sentences of a translation between spaces."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from experiments.translate.resampling import grouped, kendall
from geojax.api import forecasts
from geojax.runtime import records
from geojax.runtime.progress import table

UNLABELLED = ("cosine", "retrieval_1", "r2", "cka", "mutual_knn")  # columns that may foretell the share kept


def rows(pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row an ordered pair of spaces, method and number of anchors."""
    return [row for pair in pairs for row in forecasts.table(pair)]


def rankings(found: Sequence[Mapping[str, Any]], families: Mapping[str, str], config: Any) -> list[dict[str, Any]]:
    """Kendall's τ between each column without labels and the share kept, over ordered pairs of spaces.

    A row a method, number of anchors and column. A bootstrap sample draws groups of pairs with replacement: the pairs
    of spaces of two models, or within one model, are a group.

    Args:
      found: the rows of the table.
      families: the model of each space.
      config: settings, for `resamples`, `level` and `seed`.
    """
    result, head = [], lambda row: (row["method"], row["anchors"])
    tail = (1 - config.level) / 2
    for (method, anchors), own in itertools.groupby(sorted(found, key=head), key=head):
        own = [row for row in own if np.isfinite(row["share_kept"])]
        if len(own) < 3:
            continue
        groups = [tuple(sorted((families[row["source"]], families[row["target"]]))) for row in own]
        counts = grouped(groups, config.resamples, config.seed)
        kept = np.array([row["share_kept"] for row in own])
        for column in UNLABELLED:
            values = np.array([row[column] for row in own])
            taus = kendall(values, kept, counts)
            known = taus[1:][np.isfinite(taus[1:])]
            low, high = np.quantile(known, [tail, 1 - tail]).tolist() if len(known) else (np.nan, np.nan)
            row = {"method": method, "anchors": anchors, "column": column, "tau": float(taus[0])}
            row |= {"tau_low": low, "tau_high": high, "pairs": len(own), "groups": len(set(groups))}
            result.append(row)
    return result


def write(workdir: PurePath, record: dict[str, Any], config: Any) -> None:
    """Writes `translate.csv`, `translate.md`, the figures, with labels `ranking.csv`, and `result.json`."""
    from geojax import plots

    found = rows(record["pairs"])
    records.write_table(workdir / "translate.csv", found)
    records.write_atomic(workdir / "curves.svg", plots.curves(forecasts.lines(found), "anchors"))
    if "accuracy" in found[0]:
        families = {space["name"]: space["family"] for space in record["spaces"]}
        record["ranking"] = rankings(found, families, config)
        if record["ranking"]:
            records.write_table(workdir / "ranking.csv", record["ranking"])
        names = list(families)
        panels = squares([row for row in found if row["anchors"] == most(found)], names)
        records.write_atomic(workdir / "translate.svg", plots.similarity(panels, names))
    records.write_atomic(workdir / "translate.md", markdown(found, record).encode())
    records.write_json(workdir / "result.json", record)


def most(found: Sequence[Mapping[str, Any]]) -> int:
    """The largest number of anchors."""
    return max(row["anchors"] for row in found)


def squares(found: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, np.ndarray]:
    """The share kept of every method as a table of spaces by spaces."""
    panels: dict[str, np.ndarray] = {}
    for row in found:
        panel = panels.setdefault(f"share kept by {row['method']}", np.full((len(names), len(names)), np.nan))
        panel[names.index(row["source"]), names.index(row["target"])] = row["share_kept"]
    return panels


def markdown(found: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> str:
    """A table with a row a pair and a column a method for every number of anchors, and the ranking."""
    methods = list(dict.fromkeys(row["method"] for row in found))
    value = "accuracy" if "accuracy" in found[0] else "retrieval_1"
    text = []
    for anchors in dict.fromkeys(row["anchors"] for row in found):
        of_pair = [name for name in ("own", "as_is", "random") if value == "accuracy"]
        head = ["from", "to", *of_pair, *methods]
        text += [f"{value.replace('_', '@')}, {anchors} anchors", "", f"| {' | '.join(head)} |"]
        text += ["|" + "---|" * len(head)]
        chosen = [row for row in found if row["anchors"] == anchors]
        for pair, own in itertools.groupby(chosen, key=lambda row: (row["source"], row["target"])):
            own = {row["method"]: row for row in own}
            first = next(iter(own.values()))
            cells = [*pair, *(short(first[name]) for name in of_pair)]
            cells += [f"{short(own[name][value])} ({short(own[name][f'{value}_se'])})" for name in methods]
            text.append(f"| {' | '.join(cells)} |")
        text.append("")
    if record.get("ranking"):
        text += ["Kendall's τ with the share kept, and its interval", "", "| method | anchors | column | τ |"]
        text += ["|---|---|---|---|"]
        for row in record["ranking"]:
            ends = f"{short(row['tau_low'])} to {short(row['tau_high'])}"
            text.append(
                f"| {row['method']} | {row['anchors']} | {row['column'].replace('_', ' ')} | "
                f"{short(row['tau'])} ({ends}) |"
            )
        text.append("")
    return "\n".join(text)


def brief(record: Mapping[str, Any]) -> str:
    """The rows with the most anchors as a table for a terminal."""
    found = rows(record["pairs"])
    columns = ("source", "target", "method", "accuracy", "share_kept", "own", "as_is", "retrieval_1", "cosine")
    shown = [name for name in columns if name in found[0]]
    kept = [row for row in found if row["anchors"] == most(found)]
    return f"\n{most(found)} anchors\n" + table({name: row[name] for name in shown} for row in kept)


def short(value: float | None) -> str:
    """Three decimals without the zero before them; a dash for nothing known."""
    if value is None or np.isnan(value):
        return "–"
    return f"{value:.3f}".replace("0.", ".", 1).replace("-", "−") if abs(value) < 1 else f"{value:.3f}"
