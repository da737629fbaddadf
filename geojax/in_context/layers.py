"""The states of one trained model, layer by layer: what probes read from them, and their geometry."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from geojax.in_context.audit import Record, seed_of
from geojax.in_context.evaluate import evaluation_key
from geojax.in_context.geometry import aligned, geometry
from geojax.in_context.probes import TESTED, Probe, examples, linear_probe, probe_examples, probe_targets
from geojax.in_context.states import Z, states
from geojax.in_context.tasks import Examples
from geojax.in_context.train import Trained
from geojax.measures import Measure

LATENT = "latent"


class Reading(NamedTuple):
    """What is found in the states of one model.

    Attributes:
      rows: one for every state that is probed or measured: `state`; of every target of a probe `mse`,
        `mse_over_variance`, `r2`; `values`, `scan` and `plateau` as `geometry` gives them; `similarity` as `aligned`.
      z: of the tasks of the test; None for `implicit`.
      probe: of w on z; None without one.
    """

    rows: list[Record]
    z: np.ndarray | None
    probe: Probe | None


def read_layers(
    trained: Trained, params: Any, place: int, *, probes: str, measures: Sequence[Measure], measured: str = Z
) -> Reading:
    """Probes and measures the states of one model over the tasks of an evaluation, with queries as in training.

    Args:
      trained: the population, for its function, its constants and the number of pairs.
      params: of the population, at the end of the training or before.
      place: of the model in the population.
      probes: the states that are probed: "z", "all" or "none".
      measures: rows of the catalogue.
      measured: the states that are measured: "z" or "all".
    """
    apply, n = trained.apply, trained.size.evaluation_n
    own = seed_of(params, place), seed_of(trained.constants, place)

    def clouds(drawn: Examples) -> Mapping[str, np.ndarray]:
        with jax.default_matmul_precision("highest"):
            return jax.device_get(states(apply, *own, drawn))

    if probes == "none":
        tested = examples(apply.task, own[1], evaluation_key(), kind="iid", n=n, tasks=TESTED)
        fitted = None
    else:
        fitted, tested = probe_examples(apply.task, own[1], n)
    found, of_fit = clouds(tested), clouds(fitted) if fitted is not None else {}
    rows, of_z = [], None
    for name, cloud in found.items():
        row: Record = {}
        if fitted is not None and (name == Z or probes == "all") and not (name == Z and apply.model == "true_latent"):
            asked = probe_targets(apply.task, tested.latent)
            for target, known in probe_targets(apply.task, fitted.latent).items():
                probe = linear_probe(of_fit[name], known, cloud, asked[target])
                means = {key: float(np.mean(getattr(probe, key))) for key in ("mse", "mse_over_variance", "r2")}
                row["probes"] = row.get("probes", {}) | {target: means}
                of_z = probe if (name, target) == (Z, LATENT) else of_z
        if measures and (name == Z or measured == "all"):
            row |= geometry(cloud, measures)
            row |= {"similarity": aligned(cloud, tested.latent)} if apply.task.identifiable else {}
        if row:
            rows.append({"state": name} | row)
    return Reading(rows, found.get(Z), of_z)
