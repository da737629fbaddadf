"""The verdict and the findings of a report as sentences, computed from the tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geojax.analysis.predictors import BLOCKS, MEASURE
from geojax.analysis.score_table import ScoreTable
from geojax.regression import units
from geojax.report.words import NAMES, UNITS, count, number, with_interval

ALPHA = 0.05
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """The table of models, and the rows of every result file by the file's name."""

    table: ScoreTable
    lines: Mapping[str, Sequence[Row]]
    label: str  # name of the score
    level: float  # nominal coverage of the intervals

    @property
    def origins(self) -> units.Units:
        """What varies independently: recipes, or families in a table without recipes; one without either."""
        return units.by_recipe(self.table.frame)

    @property
    def plain(self) -> dict[str, Row]:
        """The regressions on the measure alone, by measure."""
        return {row["measure"]: row for row in self.lines["regression"] if row["terms"] == MEASURE}

    @property
    def schemes(self) -> list[str]:
        """The schemes of the validation, the hardest first: recipes, families, levels, models."""
        present = {row["scheme"] for row in self.lines["cross_validation"]}
        return [scheme for scheme in UNITS if scheme in present]

    def validated(self, scheme: str, *blocks: str) -> list[Row]:
        """The validation rows of a scheme and some blocks with a finite R², the best first."""
        rows = [row for row in self.lines["cross_validation"] if row["scheme"] == scheme and row["block"] in blocks]
        rows = [row for row in rows if math.isfinite(row["r2_vs_training_mean"])]
        return sorted(rows, key=lambda row: -row["r2_vs_training_mean"])

    def answer(self, scheme: str) -> Row | None:
        """The row of one measure: the choice inside the validation where there is one, else the best in hindsight."""
        rows = self.validated(scheme, BLOCKS[0])
        single = [row for row in rows if row["terms"] != "nested"]
        hindsight = [{**row, "candidates": len(single)} for row in single[:1]]
        return next(iter([row for row in rows if row["measure"] == "selected"] or hindsight), None)

    def rival(self, scheme: str) -> Row | None:
        """The best baseline without labels, other than the training mean, and if measures have intervals, with one."""
        rows = [row for row in self.validated(scheme, BLOCKS[1], BLOCKS[2]) if row["measure"] != "training_mean"]
        sure = any(math.isfinite(row["r2_lower"]) for row in self.validated(scheme, BLOCKS[0]))
        return next((row for row in rows if not sure or math.isfinite(row["r2_lower"])), None)


def verdict(evidence: Evidence) -> str:
    """The outcome in one sentence: numbers of models and origins, held-out R² of geometry, and the best baseline."""
    table, label = evidence.table, evidence.label
    origin = "independent recipe" if evidence.origins.name == "recipes" else "independent family"
    scope = f"On {count(len(table.frame), 'model')} of {count(evidence.origins.count, origin)}"
    scheme = next(iter(evidence.schemes), "")
    row = evidence.answer(scheme) if scheme else None
    if row is None:
        return f"{scope}, nothing is known of how well geometry predicts the {label}: {why_unknown(evidence)}."
    rival, level, who = evidence.rival(scheme), evidence.level, naming(row)
    r2, lower, what = row["r2_vs_training_mean"], row["r2_lower"], f"the {label} of {UNITS[scheme][1]}"
    reached = skill(row, level)
    if lower > 0 and rival and rival["r2_vs_training_mean"] >= r2:
        text = (
            f"geometry predicts {what}, but no better than {said(rival)} does without it: {reached} by {who}, against "
            f"{skill(rival, level)}"
        )
        return f"{scope}, {text}{limit(evidence, row)}."
    if r2 <= 0:
        text = f"geometry does not predict {what}: {who} does no better there than the training mean, {reached}"
    elif lower > 0:
        text = f"geometry predicts {what}: {reached} by {who}"
    else:
        why = "which includes 0" if math.isfinite(lower) else f"and {row['units']} units are too few for an interval"
        text = f"it is not shown that geometry predicts {what}: {who} reaches {reached}, {why}"
    return f"{scope}, {text}{against(rival, r2, level)}{limit(evidence, row)}."


def why_unknown(evidence: Evidence) -> str:
    """Why there is no validated measure."""
    reasons = sorted({row["reason"] for row in evidence.plain.values() if row["reason"]})
    if evidence.plain and all(row["reason"] for row in evidence.plain.values()):
        return "no measure can be fitted, " + "; ".join(reasons)
    if not evidence.schemes:
        return "no model was left out of the fits, for want of models or by the settings"
    return "no fit to the rest of the models says anything about those left out"


def naming(row: Row) -> str:
    """The predictor of a row, with the number of candidates that it was chosen among."""
    if row["measure"] == "selected":
        return f"the best of {row['candidates']} measures (chosen without what is left out)"
    name = row["measure"] if row["terms"] == MEASURE else f"{row['measure']} with {row['terms']}"
    return name if row["candidates"] == 1 else f"{name} (the best of {row['candidates']} fits in hindsight)"


def skill(row: Row, level: float) -> str:
    """R² against the training mean, with its interval."""
    r2, lower, upper = (row[name] for name in ("r2_vs_training_mean", "r2_lower", "r2_upper"))
    between = "" if math.isnan(lower) else f", {level:.0%} interval {number(lower, '.2f')} to {number(upper, '.2f')}"
    return f"R² {number(r2, '.2f')}{between}"


def against(rival: Row | None, r2: float, level: float) -> str:
    """The clause on the best baseline of the same scheme."""
    if rival is None:
        return ""
    better, positive = rival["r2_vs_training_mean"] >= r2, rival["r2_vs_training_mean"] > 0
    if better and positive:
        return f", while {said(rival)} reaches {skill(rival, level)}"
    if positive:
        return f", above the best baseline, {said(rival)}, {skill(rival, level)}"
    return "" if better else "; no baseline does better"


def limit(evidence: Evidence, row: Row) -> str:
    """The clause on the limits of one family: other families, and the chance that a smooth path does as well."""
    if len(evidence.table.families) > 1:
        return ""
    text = "; of other families it says nothing"
    measure = row["chosen"] or row["measure"]
    chances = [one["p_smooth_pearson"] for one in evidence.lines["ladders"] if one["measure"] == measure]
    if row["r2_vs_training_mean"] > 0 and len(chances) == 1 and chances[0] > ALPHA:
        text += f", and along this ladder a smooth curve that knows nothing follows the {evidence.label} as closely as "
        text += f"{measure} with probability {number(chances[0], '.2g')}"
    return text


def said(row: Row) -> str:
    """A predictor in words; baselines as a spline say so."""
    name = NAMES.get(row["measure"], row["measure"])
    return f"{name} (as a spline)" if row["terms"].startswith("spline") and row["measure"] in NAMES else name


def asked(evidence: Evidence) -> list[str]:
    """The question of the report and an explanation of R²."""
    label, measures = evidence.label, count(len(evidence.table.measures), "measure")
    left = " and each ".join(UNITS[scheme][0] for scheme in reversed(evidence.schemes)) or "model"
    return [
        f"Can the {label} of an encoder after fine-tuning be told from the geometry of its latent space before it? "
        f"{measures} of geometry were taken of {count(len(evidence.table.frame), 'model')}, the {label} was regressed "
        f"on each, and each {left} was left out in turn and predicted from the rest.",
        "R² of such predictions: 1 is perfect, 0 is no better than the mean of the training models, which needs no "
        "geometry, and below 0 is worse. A correlation within the models of a fit is no prediction.",
    ]


def findings(evidence: Evidence) -> list[str]:
    """The main numbers with their intervals, one sentence each."""
    return [
        *(left_out(evidence, scheme) for scheme in evidence.schemes),
        *with_labels(evidence),
        *choice(evidence),
        *within(evidence),
        *ladders(evidence),
        *partial(evidence),
        *new_models(evidence),
    ]


def left_out(evidence: Evidence, scheme: str) -> str:
    """The sentence on one scheme: R² of one measure, of several measures, and of the best baseline."""
    rows = {row["measure"]: row for row in evidence.validated(scheme, BLOCKS[0]) if row["terms"] == "nested"}
    answer, rival = evidence.answer(scheme), evidence.rival(scheme)
    parts = []
    if answer is not None:
        chosen = f" ({answer['chosen']} with all models)" if answer["chosen"] else ""
        parts.append(f"{said(answer)}{chosen} R² {span(answer)}, Spearman {span(answer, 'spearman')}")
    for name in ("best_subset", "ridge"):
        if name in rows:
            parts.append(f"{NAMES[name]} R² {span(rows[name])}")
    if rival is not None:
        parts.append(f"{said(rival)} R² {span(rival)}")
    number_of = max((row["units"] for row in (answer, rival) if row is not None), default=0)
    text = "; ".join(parts) or "no predictor says anything about those left out"
    return f"Leaving out one {UNITS[scheme][0]} at a time ({count(number_of, UNITS[scheme][0])}): {text}."


def span(row: Row, name: str = "r2") -> str:
    """A score of the validation with its interval."""
    value = row["r2_vs_training_mean"] if name == "r2" else row[name]
    return with_interval(value, row[f"{name}_lower"], row[f"{name}_upper"], ".2f")


def with_labels(evidence: Evidence) -> list[str]:
    """The sentence on the best label-based baseline."""
    for scheme in evidence.schemes:
        if rows := evidence.validated(scheme, BLOCKS[3]):
            return [f"With the labels of the tasks, the best baseline is {rows[0]['measure']}: R² {span(rows[0])}."]
    return []


def choice(evidence: Evidence) -> list[str]:
    """The sentence on choosing a model by the measure of least regret, by the best baseline, and at random."""
    rows = {block: [row for row in evidence.lines["choice"] if row["block"] == block] for block in (*BLOCKS, "random")}
    least = [min(own, key=lambda row: row["regret_1"]) for block, own in rows.items() if own and block != "random"]
    if not least or not rows["random"]:
        return []
    among = "the models" if least[0]["unit"] == "models" else f"models of different {least[0]['unit']}"
    lost = "; ".join(
        f"{row['measure']} {with_interval(row['regret_1'], row['regret_1_lower'], row['regret_1_upper'], '.3f')}"
        for row in [*least, *rows["random"]]
    )
    return [
        f"Among {among}, the first choice loses this much {evidence.label} against the best, by the measure and the "
        f"baselines of least regret, which only hindsight knows, and at random: {lost}."
    ]


def within(evidence: Evidence) -> list[str]:
    """The sentence on the largest rank correlation in the fit, with p corrected for all measures."""
    ranked = [row for row in evidence.plain.values() if math.isfinite(row["spearman"])]
    if not ranked:
        return []
    best = max(ranked, key=lambda row: abs(row["spearman"]))
    text = (
        f"Within the models of the fit, {best['measure']} follows the {evidence.label} most closely by rank: Spearman "
        f"{number(best['spearman'], '.3f')}, n = {best['n']}"
    )
    if math.isfinite(best["p_max_t"]):
        text += (
            f"; permuting {best['permuted']}, means that correlate as closely (Pearson) arise by chance in some of "
            f"{best['candidates']} measures with probability {number(best['p_max_t'], '.2g')}"
        )
    return [f"{text}."]


def ladders(evidence: Evidence) -> list[str]:
    """The sentence on correlations within ladders of a dose beside correlations of smooth random paths."""
    rows = [row for row in evidence.lines["ladders"] if math.isfinite(row["p_smooth_pearson"])]
    if not rows:
        return []
    hits = sum(row["p_smooth_pearson"] <= ALPHA for row in rows)
    best = max(rows, key=lambda row: abs(row["pearson"]))
    return [
        f"Along a ladder of doses everything changes smoothly: {hits or 'none'} of {len(rows)} correlations within "
        f"ladders exceed{'s' if hits == 1 else ''} what a random smooth path reaches once in 20 times. The largest, "
        f"{best['measure']} (Pearson {number(best['pearson'], '.3f')}), is reached with probability "
        f"{number(best['p_smooth_pearson'], '.2g')}."
    ]


def partial(evidence: Evidence) -> list[str]:
    """A sentence for each form of the dose on what the measures add to it."""
    rows = [row for row in evidence.lines["partial"] if math.isfinite(row["p_cr2"])]
    sentences = []
    for kind, given in dict.fromkeys((row["dose_kind"], row["given"]) for row in rows):
        own = [row for row in rows if (row["dose_kind"], row["given"]) == (kind, given)]
        hits, least = sum(row["p_cr2"] <= ALPHA for row in own), min(own, key=lambda row: row["p_cr2"])
        sentences.append(
            f"Given the dose {form(given)} ({kind}, {given}: R² {number(least['r2_given'], '.3f')}), "
            f"{hits or 'none'} of {len(own)} measures add{'s' if hits == 1 else ''} something at 5 %; the least "
            f"cluster-robust p is {number(least['p_cr2'], '.2g')} ({least['measure']})."
        )
    return sentences


def form(given: str) -> str:
    """The form of the dose in words."""
    return {"spline": "as a spline", "level": "as levels"}.get(given.split("(")[0], "as a line")


def new_models(evidence: Evidence) -> list[str]:
    """The sentence on R² and coverage of predictions for new models."""
    rows = [row for row in evidence.lines.get("validation", ()) if not row["excluded"] and math.isfinite(row["mse"])]
    if not rows:
        return []
    own = [row for row in rows if row["block"] == BLOCKS[0]] or rows
    others = [row for row in rows if row["block"] in BLOCKS[1:3] and row["measure"] != "training_mean"]
    best = max(own, key=lambda row: row["r2_vs_training_mean"])
    text = (
        f"On {count(best['n'], 'new model')} the best of {len(own)} fits, which only hindsight knows, is "
        f"{best['measure']} ~ {best['terms']}: R² {number(best['r2_vs_training_mean'], '.2f')}, "
        f"{number(best['coverage'], '.0%')} of the scores within their {best['level']:.0%} intervals"
    )
    if others:
        rival = max(others, key=lambda row: row["r2_vs_training_mean"])
        text += f"; {said(rival)} R² {number(rival['r2_vs_training_mean'], '.2f')}"
    return [f"{text}."]
