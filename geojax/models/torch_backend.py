"""Models as their own PyTorch classes of transformers, for types that geojax lacks: only their hidden states.

Torch is imported when such a model is loaded, and nowhere else. Weights are float32, on the CPU, from safetensors.
"""

import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from geojax.errors import InputError
from geojax.models.tensor_files import weight_files

UNLIMITED = 1 << 17  # the longest text in tokens for a model that states no limit
LISTED = 5  # names in a message

log = logging.getLogger(__name__)


class Traits(NamedTuple):
    """What the tokenizer's checks ask of a model type: that of a model whose tokenizer may do as it likes."""

    causal: bool = True
    numbering: str = "arange"
    token_types: bool = False


@dataclass(frozen=True)
class TorchConfig:
    """The shape of a model, as far as sampling reads it; `pad_token_id` is None where config.json states none.

    `max_length` is the longest text in tokens, and `normalised` the hidden states that a LayerNorm gives, both as in
    `ModelConfig`.
    """

    model_type: str
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    max_position_embeddings: int
    max_length: int
    pad_token_id: int | None
    normalised: tuple[int, ...]

    @property
    def architecture(self) -> Traits:
        """What the checks of the tokenizer ask of the model type."""
        return Traits()


@dataclass(frozen=True)
class TorchApply:
    """A PyTorch model in evaluation mode; it stands where the pure function of one of geojax's own modules would.

    Attributes:
      config: its shape.
      module: the torch.nn.Module, whose parameters it holds itself; of an encoder-decoder model the encoder.
      about: facts for the provenance of clouds: backend and versions.
    """

    config: TorchConfig
    module: Any = field(compare=False)
    about: dict[str, str] = field(compare=False)

    def hidden(self, batch: dict[str, Any], layers: tuple[int, ...]) -> list[Float[np.ndarray, "B T d"]]:
        """Hidden states of some layers, 0 at padding.

        Texts of one length run together and without their padding, so that padding cannot change a vector, whatever the
        model does with a mask. No gradients are kept.

        Args:
          batch: `input_ids` and `attention_mask` Int[B, T], padded on the right, and optional `token_type_ids`.
          layers: indices of hidden states, 0 the embeddings.
        """
        import torch

        lengths = np.asarray(batch["attention_mask"]).sum(1)
        inputs = {name: np.asarray(batch[name]) for name in ("input_ids", "token_type_ids") if name in batch}
        found = [np.zeros((*inputs["input_ids"].shape, self.config.hidden_size), np.float32) for _ in layers]
        for length in np.unique(lengths[lengths > 0]):
            rows = np.flatnonzero(lengths == length)
            given = {name: torch.from_numpy(value[rows, :length].astype(np.int64)) for name, value in inputs.items()}
            states = _states(self.module, given)
            for target, layer in zip(found, layers, strict=True):
                target[rows, :length] = states[layer].numpy()
        return found


def read(folder: Path) -> TorchApply:
    """The model in a folder, by transformers' `AutoModel`.

    Nothing of the repository runs as code, and pickled weights are not read. The hidden states must not depend on
    weights that the checkpoint lacks, which transformers would fill with random numbers.

    Raises:
      InputError: torch is not installed, the folder holds no safetensors, transformers cannot load the model, weights
        are missing, or it does not give a vector of one width for every token of a text in every layer.
    """
    weight_files(folder)
    try:
        import torch
        import transformers
    except ImportError as error:
        raise InputError("the backend torch needs PyTorch, which is missing: pip install 'geojax[torch]'") from error
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **safe)
        options = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
        with _quiet():
            whole, loading = transformers.AutoModel.from_pretrained(folder, config=config, **options, **safe)
        module = (whole.get_encoder() if config.is_encoder_decoder else whole).eval()
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"transformers cannot load {folder} by a PyTorch class of its own: {reason}") from error
    if others := sorted(loading["unexpected_keys"]):
        listed = ", ".join(others[:LISTED])
        log.info("%s: %d tensors are of no part of %s, such as %s", folder, len(others), type(whole).__name__, listed)
    missing, own = sorted(loading["missing_keys"]), whole.state_dict()
    for value in (own[name] for name in missing if name in own and own[name].is_floating_point()):
        value.fill_(torch.nan)  # which shows in every hidden state that depends on the value
    stated = config.get_text_config()
    states, normalised = _probe(folder, module, config.model_type)
    if not all(bool(state.isfinite().all()) for state in states):
        reason = f"lacks {', '.join(missing[:LISTED])}" if missing else "gives NaN or Inf for a text of three tokens"
        raise InputError(f"{folder} {reason}: its hidden states are not those of a trained model")
    length = getattr(stated, "max_position_embeddings", None) or UNLIMITED
    shape = TorchConfig(
        model_type=config.model_type,
        vocab_size=stated.vocab_size,
        hidden_size=states[0].shape[-1],
        num_hidden_layers=len(states) - 1,
        max_position_embeddings=length,
        max_length=length - _first_position(module),
        pad_token_id=getattr(stated, "pad_token_id", None),
        normalised=normalised,
    )
    about = {"backend": "torch", "torch": torch.__version__, "transformers": transformers.__version__}
    return TorchApply(shape, module, about)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and its report of the heads that a checkpoint holds besides."""
    from transformers.utils import logging as theirs

    level, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity_error()
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()


def _states(module: Any, inputs: dict[str, Any]) -> Any:
    """The hidden states of texts of one length."""
    import torch

    taken = inspect.signature(module.forward).parameters
    given = {"attention_mask": torch.ones_like(inputs["input_ids"]), "use_cache": False, "output_hidden_states": True}
    given = {name: value for name, value in (given | inputs).items() if name in taken or name == "output_hidden_states"}
    with torch.inference_mode():
        return module(**given, return_dict=True).hidden_states


def _probe(folder: Path, module: Any, kind: str) -> tuple[Any, tuple[int, ...]]:
    """The hidden states of a text of three tokens, and the indices of those that a LayerNorm gives."""
    import torch

    outputs = []
    norms = [part for part in module.modules() if isinstance(part, torch.nn.LayerNorm)]
    hooks = [part.register_forward_hook(lambda *call: outputs.append(call[-1])) for part in norms]
    try:
        states = _states(module, {"input_ids": torch.arange(3)[None] + 1})
        shapes = {tuple(state.shape) for state in states}
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, RuntimeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: the PyTorch class of {kind} does not run on a text alone: {reason}") from error
    finally:
        for hook in hooks:
            hook.remove()
    if len(shapes) > 1 or next(iter(shapes))[:2] != (1, 3):
        listed = ", ".join(str(list(shape)) for shape in sorted(shapes))
        raise InputError(
            f"{folder}: the PyTorch class of {kind} gives hidden states of the shapes {listed} for three tokens, and a "
            f"cloud takes one vector of one width for each token"
        )
    alike = [any(out.shape == state.shape and torch.equal(out, state) for out in outputs) for state in states]
    return states, tuple(i for i, is_output in enumerate(alike) if is_output)


def _first_position(module: Any) -> int:
    """The position of the first token of a text in a table whose earlier positions are for padding, as RoBERTa's."""
    tables = [part for name, part in module.named_modules() if name.endswith("position_embeddings")]
    return max((1 + part.padding_idx for part in tables if getattr(part, "padding_idx", None) is not None), default=0)
