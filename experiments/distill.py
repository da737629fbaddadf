"""Trains an encoder on the sentence vectors of another; writes `model/`, `metrics.jsonl`, `result.json`, snapshots."""

import hashlib
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from configs import schema
from experiments import pretrain as experiment
from geojax import models
from geojax.data import tokenizers
from geojax.errors import InputError
from geojax.representations import Cloud, read_sequences
from geojax.runtime import folders, records
from geojax.runtime.run_once import once, settings_without
from geojax.training import distill, pretrain, pretraining_objectives, reporting
from geojax.training.step import LossSums, State

HELD_OUT = 50  # one sentence in 50 is held out

log = logging.getLogger(__name__)


def run(config: schema.Distill, workdir: Path) -> None:
    """Trains a student on `config.vectors` and scores it on held-out sentences; resumes where it stopped.

    Raises:
      InputError: missing files, or vectors of other sentences.
    """
    workdir = folders.local(workdir)
    if config.word_order not in ("text", "sentence"):
        raise InputError(f"word_order is {config.word_order!r}: choose text or sentence")
    experiment.snapshots(config)
    experiment.micro_batch(config)
    experiment.architecture(config, len(tokenizers.SPECIAL_TOKENS), config.positions)
    pretrain.rates_of(config.steps, config.warmup, config.learning_rate)
    own = settings_without(config, experiment.UNRELATED)
    once(workdir, own, partial(make, config, workdir, own))


def make(config: schema.Distill, workdir: Path, own: Mapping[str, Any]) -> None:
    """Trains and scores the student and writes the files of the work folder."""
    sentences = read_sequences(config.sentences)
    vectors = read_vectors(config.vectors, sentences)
    held_out = np.arange(len(sentences)) % HELD_OUT == 0
    if held_out.sum() < config.batch_size:
        raise InputError(
            f"{len(sentences)} sentences hold out {held_out.sum()}, fewer than a batch of {config.batch_size}: "
            "give more sentences, or lower --config.batch_size"
        )
    tokenizer = experiment.tokenizer_of(config, config.sentences, config.positions, workdir / "tokenizer")
    words = pretraining_objectives.reorder(sentences, config.word_order, config.seed)
    encoded = encode(tokenizer, words, config.length)
    unknown = tokenizers.check_unknown(encoded["input_ids"], "the sentences", config.allow_unknown)
    architecture = experiment.architecture(config, len(tokenizer), config.positions)
    apply = models.make_apply(architecture, "classification", vectors.shape[1])
    train = np.flatnonzero(~held_out)
    rates = pretrain.rates_of(config.steps, config.warmup, config.learning_rate)
    options = {"apply": apply, "rates": rates, "micro_batch": experiment.micro_batch(config)}

    def take(state: State, rows: np.ndarray) -> tuple[State, LossSums]:
        some = train[rows]
        batch = {name: values[some] for name, values in encoded.items()}
        return distill.train_step(state, batch, vectors[some], **options)

    save = partial(experiment.save_model, apply, tokenizer)
    begin = partial(pretrain.start, apply, rates, jax.random.key(config.seed))
    params = experiment.train(config, workdir, apply, begin, take, len(train), save)
    batch = {name: values[held_out] for name, values in encoded.items()}
    result = distill.evaluate(params, batch, vectors[held_out], apply=apply, batch_size=config.batch_size)
    result |= {"unknown": unknown, "parameters": sum(leaf.size for leaf in jax.tree.leaves(params))}
    result |= {"sentences": len(sentences), "seconds": reporting.training_seconds(workdir / "metrics.jsonl")}
    save(workdir / "model", params)
    records.write_json(workdir / "result.json", own | result)
    log.info("of %d held-out sentences at once, %.1f %% are told", config.batch_size, 100 * result["accuracy"])


def read_vectors(path: str, sentences: list[str]) -> np.ndarray:
    """The vectors of the sentences in a file of `experiments.sample`.

    Raises:
      InputError: the file is no cloud, is a cloud of other sentences, or does not have one vector a sentence.
    """
    if not Path(path).is_file():
        raise InputError(f"no vectors at {path!r}: make them by configs/sample.py with --config.tokens=mean")
    cloud = Cloud.load(path)
    digest = hashlib.sha256("\n".join(sentences).encode()).hexdigest()
    if len(cloud.points) != len(sentences) or cloud.provenance.get("sequences_sha256") != digest:
        raise InputError(
            f"{path} has {len(cloud.points)} vectors of other sentences than the {len(sentences)} given: make them by "
            "configs/sample.py with --config.tokens=mean on the same file"
        )
    return cloud.points


def encode(tokenizer: Any, sentences: list[str], length: int) -> dict[str, np.ndarray]:
    """Token ids and masks, Int[n, length]."""
    found = tokenizer(sentences, truncation=True, max_length=length, padding="max_length", return_token_type_ids=False)
    return {name: np.array(found[name], np.int32) for name in ("input_ids", "attention_mask")}
