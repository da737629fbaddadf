"""The analysis of the experiment on initialisation, tried on curves whose truth is known and on shuffled labels."""

import math

import numpy as np
import pytest

from experiments.initialise import analysis
from experiments.initialise.analysis import Curve
from geojax.errors import InputError

STEPS = tuple(range(0, 1601, 50))
GOAL, LENGTH, SEEDS = 6.1, 1600, range(7)
PAIRED, SHARED = 0.04, 0.06  # deviations of log steps: of a run from its seed's, and between seeds


def curve(steps_to_goal, cost=0.0, length=LENGTH):
    """A loss that falls from 8.5 over a plateau; it is 6.1 after so many steps."""
    time = np.arange(0, length + 1, 50) / steps_to_goal
    losses = 6.0 + 2.5 * np.exp(-time * math.log(25))
    return Curve(tuple(range(0, length + 1, 50)), tuple(losses), cost)


def made(random, arms, **effects):
    """Curves of arms and seeds; `effects` are factors on the steps."""
    found = {}
    for seed in SEEDS:
        level = math.log(1200) + SHARED * random.normal()
        for arm in arms:
            steps = math.exp(level + PAIRED * random.normal()) * effects.get(arm, 1.0)
            found[arm, seed] = curve(steps)
    return found


def test_steps_are_interpolated_at_the_first_crossing():
    line = Curve((0, 50, 100, 150), (8.0, 7.0, 6.0, 6.5))
    assert analysis.steps_to(line, 7.5, 150) == 25 and analysis.steps_to(line, 6.25, 150) == 87.5
    assert analysis.steps_to(line, 5.9, 150) == math.inf and analysis.steps_to(line, 9.0, 150) == 0
    assert analysis.steps_to(line, 6.25, 80) == math.inf
    assert analysis.steps_to(Curve((0, 50), (8.0, math.nan)), 7.0, 50) == math.inf
    assert analysis.steps_to(curve(1000), GOAL, LENGTH) == pytest.approx(1000, rel=2e-3)


def test_a_run_that_never_arrives_counts_at_its_length_and_ranks_last():
    curves = {("a", seed): curve(800 + seed) for seed in range(3)} | {("b", seed): curve(900) for seed in range(3)}
    curves["a", 2] = curve(5000)
    ratios, ranked, never = analysis.log_ratios(curves, "a", "b", GOAL, LENGTH, charged=False)
    np.testing.assert_allclose(ratios, np.log([800 / 900, 801 / 900, 1600 / 900]), rtol=0.02)
    assert ranked[2] == math.inf and (ranked[:2] == ratios[:2]).all() and never.tolist() == [[0, 0], [0, 0], [1, 0]]
    curves["b", 2] = curve(5000)
    ratios, ranked, never = analysis.log_ratios(curves, "a", "b", GOAL, LENGTH, charged=False)
    assert ratios[2] == ranked[2] == 0 and never[2].all()


def test_a_cost_is_added_to_the_arm_and_given_to_the_base():
    curves = {("a", 0): curve(800, cost=200.0), ("b", 0): curve(1700, length=1800)}
    (plain,), _, never = analysis.log_ratios(curves, "a", "b", GOAL, LENGTH, charged=False)
    assert plain == pytest.approx(math.log(800 / 1600), rel=0.01) and never.tolist() == [[False, True]]
    (charged,), _, never = analysis.log_ratios(curves, "a", "b", GOAL, LENGTH, charged=True)
    assert charged == pytest.approx(math.log(1000 / 1700), rel=0.01) and not never.any()


@pytest.mark.parametrize(
    ("ratios", "word"),
    [
        ([-0.10, -0.09, -0.11, -0.10, -0.09, -0.10, -0.11], "fewer"),
        ([-0.04, -0.05, -0.03, -0.06, -0.04, -0.05, -0.04], "some"),
        ([0.01, -0.02, 0.0, 0.01, -0.01, 0.02, -0.01], "none"),
        ([0.09, 0.10, 0.11, 0.12, 0.09, 0.10, 0.08], "slower"),
        ([0.2, -0.2, 0.1, -0.15, 0.05, 0.1, -0.1], "unclear"),
        ([-0.3], "unclear"),
    ],
)
def test_words_are_those_of_the_intervals(ratios, word):
    assert analysis.word_of(np.array(ratios)) == word


def test_shuffled_labels_are_seldom_called_an_effect():
    """The labels of the arms are shuffled within each seed, so that no arm differs: at most the nominal share is found.

    The arms differ in truth by as much as mimetic attention did, which makes the shuffled differences large.
    """
    random, shuffles, found = np.random.default_rng(0), 250, {"p": 0, "kept": 0, "max_t": 0, "rank": 0}
    arms = ["standard", "geometry", "displaced", "held", "mimetic"]
    for _ in range(shuffles):
        curves = made(random, arms, mimetic=0.62, held=0.9)
        mixed = {}
        for seed in SEEDS:
            order = random.permutation(arms)
            mixed |= {(arm, seed): curves[other, seed] for arm, other in zip(arms, order, strict=True)}
        rows = analysis.primary(mixed, GOAL, LENGTH)
        found["p"] += min(row["p_corrected"] for row in rows if not row["charged"]) <= 0.05
        found["rank"] += rows[0]["p_rank"] <= 0.05
        found["kept"] += analysis.kept(rows)
        other = analysis.others(mixed, ["held", "mimetic"], GOAL, LENGTH, charged=False)
        found["max_t"] += min(row["p_corrected"] for row in other) <= 0.05
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / shuffles)
    assert all(count / shuffles <= most for count in found.values()), found
    assert found["p"] > 0, "the test cannot fail"


def test_a_saving_of_a_tenth_is_found_and_none_is_told_where_there_is_none():
    """Of a planted saving of 8 %, most are found against both; with none, no word claims one."""
    random, rounds, words, tested = np.random.default_rng(1), 100, [], 0
    for _ in range(rounds):
        rows = analysis.primary(made(random, ("standard", "geometry", "displaced"), geometry=0.92), GOAL, LENGTH)[:2]
        words += [row["word"] for row in rows]
        tested += all(row["p_corrected"] <= 0.05 for row in rows)
    saved = sum(word in ("fewer", "some") for word in words)
    assert saved / len(words) > 0.8 and tested / rounds > 0.6
    none = [
        analysis.primary(made(random, ("standard", "geometry", "displaced")), GOAL, LENGTH)[0] for _ in range(rounds)
    ]
    assert sum(row["word"] in ("fewer", "some") for row in none) <= 0.025 * rounds + 3 * math.sqrt(0.025 * rounds)
    assert sum(row["lower"] <= 0 <= row["upper"] for row in none) >= 0.95 * rounds - 3 * math.sqrt(0.05 * rounds)


def test_the_idea_is_kept_only_after_the_cost():
    random = np.random.default_rng(2)
    curves = made(random, ("standard", "geometry", "displaced"), geometry=0.8)
    rows = analysis.primary(curves, GOAL, LENGTH)
    assert [row["word"] for row in rows] == ["fewer"] * 4 and analysis.kept(rows)
    curves |= {key: found._replace(cost=400.0) for key, found in curves.items() if key[0] == "geometry"}
    rows = analysis.primary(curves, GOAL, LENGTH)
    assert [row["word"] for row in rows] == ["fewer", "fewer", "slower", "slower"] and not analysis.kept(rows)
    assert {*rows[0]} == {*analysis.COLUMNS}


def test_three_large_losses_are_futile_and_two_are_not():
    curves = {("standard", seed): curve(1000) for seed in range(3)} | {("geometry", s): curve(1120) for s in range(3)}
    assert analysis.futile(curves, GOAL, LENGTH)
    curves["geometry", 1] = curve(1050)
    assert not analysis.futile(curves, GOAL, LENGTH)


def test_missing_runs_are_named():
    curves = {("standard", 0): curve(900), ("held", 0): curve(900), ("held", 1): curve(900), ("warm", 0): curve(900)}
    with pytest.raises(InputError, match="no seed has runs of both geometry and standard"):
        analysis.primary(curves, GOAL, LENGTH)
    with pytest.raises(InputError, match="the arms have different seeds: held 2, warm 1"):
        analysis.others(curves, ["held", "warm"], GOAL, LENGTH, charged=False)
