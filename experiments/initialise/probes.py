"""What an encoder's mean vectors say of tasks: classifiers and a regression fitted on training rows, judged on others.

The vectors are means over the tokens of a text, of the last layer and of the embeddings. SST-2: the share of the
development set that is told right by the 5 nearest neighbours and by ridge regression on the classes. STS-B: R^2 of
ridge regression on |u - v| and u v of both sentences' vectors.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from geojax.data import glue
from geojax.data.glue.examples import Examples
from geojax.data.task_data import TaskData
from geojax.models import Model
from geojax.representations import task_examples

TASKS = ("sst2", "stsb")
ROWS = 4000  # of a training set
NEIGHBOURS = 5
PENALTY = 0.1  # of ridge regression on standard-scaled features, times the number of rows

Rows = Float[np.ndarray, "n d"]


def load(data_dir: str) -> dict[str, TaskData]:
    """The data of the tasks, with the same rows for every encoder."""
    found = {task: glue.load(task, data_dir) for task in TASKS}
    return {task: dataclasses.replace(data, train=glue.subset(data.train, ROWS, 0)) for task, data in found.items()}


def scores(model: Model, tasks: Mapping[str, TaskData]) -> dict[str, dict[str, float]]:
    """The scores of the last layer and of the embeddings, by task and probe."""
    layers = {"last": model.config.num_hidden_layers, "embeddings": 0}
    found: dict[str, dict[str, float]] = {name: {} for name in layers}
    for task, data in tasks.items():
        splits = data.train, next(iter(data.dev.values()))
        features = [_features(model, examples, tuple(layers.values())) for examples in splits]
        labels = [examples.labels for examples in splits]
        for place, name in enumerate(layers):
            rows, new = standard_scaled(features[0][place], features[1][place])
            if task == "stsb":
                errors = labels[1] - ridge(rows, labels[0].astype(float), new)
                found[name]["stsb_r2"] = float(1 - np.sum(errors**2) / np.sum((labels[1] - labels[0].mean()) ** 2))
                continue
            told = ridge(rows, np.where(labels[0], 1.0, -1.0), new) > 0
            found[name]["sst2_ridge"] = float(np.mean(told == labels[1]))
            found[name]["sst2_knn"] = float(np.mean(nearest(rows, labels[0], new) == labels[1]))
    return found


def _features(model: Model, examples: Examples, layers: tuple[int, ...]) -> list[Rows]:
    """The features of a text or of a pair, in every layer."""
    sides = [text for text in (examples.text_a, examples.text_b) if text is not None]
    single = [Examples(text, None, examples.labels) for text in sides]
    clouds = [[cloud.points for cloud in task_examples.clouds(model, side, layers=layers)] for side in single]
    if len(clouds) == 1:
        return clouds[0]
    return [np.concatenate([np.abs(u - v), u * v], 1) for u, v in zip(*clouds, strict=True)]


def standard_scaled(rows: Rows, new: Rows) -> tuple[Rows, Rows]:
    """Both clouds with the means and deviations of the first taken off every axis."""
    mean, deviation = rows.mean(0), rows.std(0)
    return tuple((some - mean) / np.where(deviation > 0, deviation, 1) for some in (rows, new))


def ridge(rows: Rows, targets: Float[np.ndarray, "n"], new: Rows) -> Float[np.ndarray, "m"]:
    """Predictions of ridge regression with an intercept; `rows` have mean 0."""
    gram = rows.T @ rows + PENALTY * len(rows) * np.eye(rows.shape[1])
    return new @ np.linalg.solve(gram, rows.T @ (targets - targets.mean())) + targets.mean()


def nearest(rows: Rows, labels: np.ndarray, new: Rows) -> np.ndarray:
    """The class, 0 or 1, of most of the nearest neighbours."""
    squared = np.sum(rows**2, 1) - 2 * new @ rows.T
    return labels[np.argpartition(squared, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]].mean(1) > 0.5
