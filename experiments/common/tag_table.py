"""The table of a tagging experiment: scores of every set of features, and differences to the vector alone."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from geojax.data.terms.files import TAGS, Utterances
from geojax.data.terms.scores import SCORES, scores
from geojax.regression.validation import bootstrap_counts
from geojax.runtime import records
from geojax.runtime.progress import table

COMPARED = ("span_f1", "token_f1", "term_f1")
REFERENCE = "vector"


def rows(
    tests: Mapping[str, Utterances],
    predicted: Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]],
    seen: Mapping[str, Sequence[Collection[str]]],
    dims: Mapping[str, int],
    config: Any,
) -> list[dict[str, Any]]:
    """A row a test, number of training utterances and set of features.

    Scores are means over seeds, `span_sd` the standard deviation of span F1 over seeds. A score and its difference to
    the vector alone have the quantiles of the same number in bootstrap samples, each a draw of the test's utterances
    and a draw of the seeds. The samples are the same for all sets of features, so that differences are paired.

    Args:
      tests: the utterances with their true tags.
      predicted: tags as letters, by set of features, size, test and seed.
      seen: the terms that training has shown, by size and seed.
      dims: the number of features of each set.
      config: settings, for `resamples`, `level` and `seed`.
    """
    found = []
    for name, test in tests.items():
        generators = [np.random.default_rng(config.seed + number) for number in range(2)]
        counts = bootstrap_counts(generators[0], len(test), config.resamples)
        share = bootstrap_counts(generators[1], config.seeds, config.resamples).T / config.seeds
        for size, own in seen.items():
            by_seed, samples = {}, {}
            for one, of_sizes in predicted.items():
                tags = [np.array([TAGS.index(letter) for letter in text], np.int8) for text in of_sizes[size][name]]
                found_of = [scores(test, row, known, counts) for row, known in zip(tags, own, strict=True)]
                by_seed[one] = {score: np.stack([values[score] for values in found_of]) for score in SCORES}
                samples[one] = {score: np.sum(values * share, 0) for score, values in by_seed[one].items()}
            for one in predicted:
                row = {"test": name, "utterances": int(size), "features": one, "dims": dims[one]}
                row |= {score: float(values[0]) for score, values in samples[one].items()}
                row["span_sd"] = float(by_seed[one]["span_f1"][:, 0].std(ddof=1)) if config.seeds > 1 else np.nan
                row |= _interval("span_f1", samples[one]["span_f1"], config.level)
                for score in COMPARED:
                    difference = samples[one][score] - samples[REFERENCE][score]
                    row[f"{score}_difference"] = float(difference[0])
                    row |= _interval(f"{score}_difference", difference, config.level)
                found.append(row)
    return found


def _interval(name: str, values: np.ndarray, level: float) -> dict[str, float]:
    """Quantiles of bootstrap samples, all values but the first; NaN without samples. Samples with NaN do not count."""
    values = values[1:][~np.isnan(values[1:])]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]) if len(values) else (np.nan, np.nan)
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def write(workdir: PurePath, found: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> None:
    """Writes `tag.csv`, `tag.md`, `tag.svg` and `result.json`."""
    from geojax import plots

    records.write_table(workdir / "tag.csv", found)
    records.write_atomic(workdir / "tag.md", markdown(found, record["config"]["level"]).encode())
    lines: dict[str, dict[str, list]] = {}
    for row in found:
        line = lines.setdefault(f"span F1, {row['test']}", {}).setdefault(row["features"], [])
        line.append((row["utterances"], row["span_f1"], row["span_f1_low"], row["span_f1_high"]))
    records.write_atomic(workdir / "tag.svg", plots.curves(lines, "training utterances with tags"))
    records.write_json(workdir / "result.json", record)


def markdown(found: Sequence[Mapping[str, Any]], level: float) -> str:
    """A table a test and number of training utterances."""
    text, head = [], None
    for row in found:
        if head != (head := (row["test"], row["utterances"])):
            text += ["", f"{row['test']}, {row['utterances']} training utterances", ""]
            text += [
                f"| features | dims | span F1 (sd) | token F1 | term F1 | seen, unseen terms | span F1 less vector's, "
                f"{100 * level:g} % interval |",
                "|---|---|---|---|---|---|---|",
            ]
        change, low, high = (_short(row[f"span_f1_difference{end}"], "+") for end in ("", "_low", "_high"))
        change = "" if row["features"] == REFERENCE else f"{change} ({low} to {high})"
        text.append(
            f"| {row['features']} | {row['dims']} | {_short(row['span_f1'])} ({_short(row['span_sd'])}) | "
            f"{_short(row['token_f1'])} | {_short(row['term_f1'])} | {_short(row['seen_term_f1'])}, "
            f"{_short(row['unseen_term_f1'])} | {change} |"
        )
    return "\n".join(text).lstrip() + "\n"


def brief(record: Mapping[str, Any]) -> str:
    """The scores with all training utterances, as a table for a terminal."""
    most = max(row["utterances"] for row in record["rows"])
    columns = ("test", "features", "span_f1", "token_f1", "term_f1", "span_f1_difference")
    return "\n" + table({name: row[name] for name in columns} for row in record["rows"] if row["utterances"] == most)


def _short(value: float, sign: str = "") -> str:
    """Three decimals without the zero before them; a dash for NaN."""
    if np.isnan(value):
        return "—"
    return f"{value:{sign}.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:{sign}.3f}"
