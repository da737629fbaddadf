"""Adapters in files: a folder with `adapter.safetensors` and the record `adapter.json`, small beside the model."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from geojax.errors import InputError
from geojax.models import Model, load, resolve
from geojax.models.apply import Apply, Params, make_apply, shapes
from geojax.models.lora import Lora, merged, split
from geojax.models.perturb import perturbed
from geojax.runtime.folders import written
from geojax.runtime.records import write_atomic, write_json

TENSORS, RECORD = "adapter.safetensors", "adapter.json"
BASE = ("model", "model_revision", "alpha", "noise_seed", "parameters")  # what identifies the model below an adapter


def save_adapter(folder: PurePath, adapter: Params, lora: Lora, apply: Apply, base: Mapping[str, Any]) -> None:
    """Writes an adapter, local or in a store.

    Args:
      folder: where to.
      adapter: the trained parameters of `finetune` with LoRA.
      lora: its settings.
      apply: the function of the adapted model, for its head.
      base: the entries `BASE`: name and revision of the model, level in percent and seed of the noise on its weights,
        and the type in which its kernels were held, absent for float32.
    """
    head = {"head": apply.head, "num_labels": apply.num_labels, "label_names": list(apply.label_names or ())}
    record = {
        "lora": asdict(lora),
        "base": {name: base[name] for name in BASE if name in base},
        "pooler": apply.pooler,
    } | head
    with written(folder) as local:
        write_atomic(Path(local) / TENSORS, save({name: np.asarray(leaf) for name, leaf in _named(adapter)}))
        write_json(Path(local) / RECORD, record)


def load_adapted(folder: str | Path, base: str | Path = "") -> Model:
    """The model of an adapter: its base, with the adapter merged into the kernels, and the adapter's head.

    Args:
      folder: a folder that `save_adapter` wrote.
      base: the model below the adapter; empty: the model that the record names.

    Raises:
      InputError: the files are absent or damaged, do not fit each other, or belong to another state of the base.
    """
    folder = Path(folder)
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        lora = Lora(**record["lora"] | {"targets": tuple(record["lora"]["targets"])})
        own, head = record["base"], (record["head"], record["num_labels"])
        names, pooler = tuple(record["label_names"]), record["pooler"]
        tensors = load_file(folder / TENSORS)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"{folder} holds no adapter that can be read ({type(error).__name__}: {error})") from error
    dtype = own.get("parameters", "float32")
    model = load(base or own["model"], revision=None if base else _revision(own), dtype=dtype)
    found = resolve(base or own["model"], None if base else _revision(own)).revision
    if found != own["model_revision"]:
        raise InputError(
            f"the adapter in {folder} was trained on revision {own['model_revision']} of {own['model']}, and "
            f"{base or own['model']} is {found}: name its base"
        )
    model = perturbed(model, own["alpha"], own["noise_seed"])
    apply = make_apply(model.config, *head, pooler=pooler, label_names=names)
    adapter = _fitted(
        tensors, jax.eval_shape(partial(split, lora=lora, key=jax.random.key(0)), shapes(apply))[1], folder
    )
    return model._replace(apply=apply, params=merged(model.params, adapter, lora.scale))


def _revision(own: Mapping[str, Any]) -> str | None:
    """A commit of the hub; None for the digest of a local folder."""
    return None if str(own["model_revision"]).startswith("sha256:") else own["model_revision"]


def _named(tree: Params, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _named(value, (*path, name))
        else:
            yield "/".join((*path, name)), value


def _fitted(tensors: Mapping[str, np.ndarray], like: Params, folder: Path) -> Params:
    """The adapter with the paths of `like`.

    Raises:
      InputError: a tensor is missing, unexpected, not finite or of another shape.
    """
    expected = dict(_named(like))
    faults = [f"missing {name}" for name in expected.keys() - tensors.keys()]
    faults += [f"unexpected {name}" for name in tensors.keys() - expected.keys()]
    for name in expected.keys() & tensors.keys():
        if tensors[name].shape != expected[name].shape:
            faults.append(f"{name} has shape {tensors[name].shape}, the model asks for {expected[name].shape}")
        elif not np.isfinite(tensors[name]).all():
            faults.append(f"{name} holds NaN or Inf")
    if faults:
        raise InputError(f"the adapter in {folder} does not fit its base ({len(faults)} faults): {sorted(faults)[0]}")
    paths = jax.tree_util.tree_map_with_path(lambda path, _: "/".join(part.key for part in path), like)
    return jax.tree.map(lambda name: jax.numpy.asarray(tensors[name]), paths)
