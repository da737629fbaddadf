"""Measures of the hidden states of a PyTorch model on one fixed batch, layer by layer, while the model trains."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from geojax.errors import InputError
from geojax.measures import Measure
from geojax.representations import parse_layers
from geojax.streaming.monitor import Monitor, monitor

POINTS = 2048  # at most, unless the caller names a number


class Probe:
    """Measures a PyTorch model on one batch that never changes, and leaves the model as it was.

        texts = tokenizer(sentences, padding=True, return_tensors="pt")
        probe = geojax.integrations.Probe(texts, "eee,isoscore", layers="all")
        for step, batch in enumerate(batches):
            train(model, batch)
            if step % 100 == 0:
                logger.log(probe(model), step)

    The training mode of every module, gradients, and the random states of Python, NumPy, PyTorch's CPU and the model's
    CUDA devices are the same before and after. No other device's random state is kept.

    Attributes:
      monitors: the `geojax.monitor` of every measured layer, once it was measured; `monitors[6].trend("eee")` tells
        whether a measure falls or rises.
    """

    def __init__(
        self,
        batch: Mapping[str, Any],
        measures: str | Sequence[str | Measure] = "eee,isoscore",
        *,
        layers: str = "last",
        points: int | None = None,
        hidden: Callable[[Any, Mapping[str, Any]], Any] | None = None,
        **options: Any,
    ):
        """Checks the settings; nothing runs yet.

        Args:
          batch: tensors or arrays by the names of the model's arguments, as a tokenizer of transformers returns them.
            `attention_mask` Int[B, T], if there is one, is 1 where a position counts.
          measures: names in the catalogue.
          layers: "last", "all", or indices such as "0,3,6"; 0 is the first hidden state that the model gives, the
            embeddings of a model of transformers.
          points: number of measured positions; None: all that count, at most 2048.
          hidden: called with (model, batch on the model's device) in place of `model(**batch,
            output_hidden_states=True).hidden_states`; returns a tensor Float[B, T, d], or a sequence with one a layer.
          options: other settings of `geojax.monitor`, such as `costly=True`.

        Raises:
          InputError: as `geojax.monitor` raises it.
        """
        self.batch, self.layers, self.hidden = dict(batch), layers, hidden or of_transformers
        self.mask = self.batch.get("attention_mask")
        self.monitors: dict[int, Monitor] = {}
        self._points, self._settings = points, {"measures": measures} | options
        monitor(**self._settings, points=points or POINTS)

    def __call__(self, model: Any) -> dict[str, float]:
        """The values of all layers as scalars, such as "geometry/layer_6/eee"; NaN where a measure is undefined.

        Args:
          model: a torch.nn.Module.

        Raises:
          InputError: as `states` and `measure` raise it.
        """
        return self.measure(self.states(model))

    def states(self, model: Any) -> dict[int, np.ndarray]:
        """The hidden states Float[B, T, d] of the measured layers, on the host; one forward pass without gradients.

        Where a model's parameters are shared out over processes, all of them must call it.

        Raises:
          InputError: PyTorch is not installed, the model is none of its modules or gives no hidden states, or it lacks
            a layer.
        """
        torch = _torch()
        if not isinstance(model, torch.nn.Module):
            raise InputError(
                f"the model is a {type(model).__name__} and no torch.nn.Module: geojax.monitor measures arrays of "
                f"other libraries"
            )
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        batch = {name: torch.as_tensor(value).to(device) for name, value in self.batch.items()}
        with undisturbed(model):
            found = self.hidden(model, batch)
            found = (found,) if isinstance(found, torch.Tensor) else tuple(found)
            chosen = {layer: found[layer] for layer in parse_layers(self.layers, len(found) - 1)}
            wide = {layer: state.dtype == torch.float64 for layer, state in chosen.items()}
            return {
                layer: (state if wide[layer] else state.float()).detach().cpu().numpy()
                for layer, state in chosen.items()
            }

    def measure(self, states: Mapping[int, np.ndarray]) -> dict[str, float]:
        """The scalars of `__call__`, from what `states` returned.

        Raises:
          InputError: fewer positions than `points`, or another width than at the first call.
        """
        mask = None if self.mask is None else np.asarray(getattr(self.mask, "cpu", lambda: self.mask)())
        scalars = {}
        for layer, state in states.items():
            if layer not in self.monitors:
                count = int(np.prod(state.shape[:-1])) if mask is None else int((mask != 0).sum())
                self.monitors[layer] = monitor(**self._settings, points=self._points or min(count, POINTS))
            values = self.monitors[layer](state, mask)
            scalars |= {f"geometry/layer_{layer}/{name}": value for name, value in values.items()}
        return scalars


def of_transformers(model: Any, batch: Mapping[str, Any]) -> Sequence[Any]:
    """The hidden states that a model of transformers gives, the embeddings first.

    Raises:
      InputError: the model gives none.
    """
    try:
        found = getattr(model(**batch, output_hidden_states=True), "hidden_states", None)
    except TypeError as error:
        raise InputError(f"the model does not take the batch ({error}): give Probe a function hidden=") from error
    if found is None:
        raise InputError("the model's output has no hidden_states: give Probe a function hidden= that returns them")
    return found


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards modes and random states are those of before.

    Modes are set without the modules' own `train`, which may do more, as to merge weights.
    """
    torch = _torch()
    modes = [(module, module.training) for module in model.modules()]
    devices = sorted({parameter.device.index for parameter in model.parameters() if parameter.device.type == "cuda"})
    draws = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices), torch.no_grad():
            for module, _ in modes:
                module.training = False
            yield
    finally:
        for module, training in modes:
            module.training = training
        random.setstate(draws[0])
        np.random.set_state(draws[1])


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise InputError("a Probe measures models of PyTorch, which is missing: pip install 'geojax[torch]'") from error
    return torch


def check_every(every: int) -> int:
    """The number of steps between two measurements.

    Raises:
      InputError: it is below 1.
    """
    if every < 1:
        raise InputError(f"every is {every}: measure every 1 step or more")
    return every
