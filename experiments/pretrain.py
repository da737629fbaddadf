"""Pre-trains an encoder on plain text by predicting masked tokens.

Writes `model/`, `metrics.jsonl` and `result.json`, and `model_STEP/` for every snapshot.
"""

import io
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from configs import lists, schema
from experiments.common import calling
from geojax import models
from geojax.data import tokenizers
from geojax.data.text import read_text
from geojax.errors import InputError
from geojax.models import initialise
from geojax.models.apply import Params
from geojax.runtime import folders, records
from geojax.runtime.run_once import once, settings_without
from geojax.sweeps import costs
from geojax.training import pretrain, pretraining_objectives, reporting
from geojax.training.masking import batch_rows, pack
from geojax.training.settings import rows_at_once
from geojax.training.step import LossSums, State

UNRELATED = ("checkpoint_seconds", "allow_unknown")  # settings on which no result depends
INITIALIZER_RANGE = 0.06  # BERT's 0.02 is for a width of 768; at 128 it starts attention too flat
STARTS = ("standard", "mimetic", "scale", "spectrum")

log = logging.getLogger(__name__)


def run(config: schema.Pretrain, workdir: Path) -> None:
    """Trains an encoder on `config.text` and scores it on `config.eval_text`; resumes where it stopped."""
    workdir = folders.local(workdir)
    pretraining_objectives.check(config.objective, config.word_order)
    check_start(config)
    snapshots(config)
    micro_batch(config)
    architecture(config, len(tokenizers.SPECIAL_TOKENS), config.length)
    pretrain.rates_of(config.steps, config.warmup, config.learning_rate)
    own = settings_without(config, UNRELATED)
    once(workdir, own, partial(make, config, workdir, own))


def make(config: schema.Pretrain, workdir: Path, own: Mapping[str, Any]) -> None:
    """Trains and scores the encoder and writes the files of the work folder."""
    check_files(config.text)
    check_files(config.eval_text, "eval_text")
    tokenizer = tokenizer_of(config, config.text, config.length, workdir / "tokenizer")
    windows, held_out = (windows_of(config, tokenizer, files) for files in (config.text, config.eval_text))
    splits = {"train": (windows, "the text"), "eval": (held_out, "eval_text")}
    unknown = {name: tokenizers.check_unknown(*split, config.allow_unknown) for name, split in splits.items()}
    log.info("%d windows of %d tokens to train on, %d held out", len(windows), config.length, len(held_out))
    vocabulary = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    classes = pretraining_objectives.token_classes(config.objective, vocabulary, config.seed)
    head = (
        ("masked_lm",)
        if classes is None
        else ("token_classification", pretraining_objectives.CLASSES[config.objective])
    )
    apply = models.make_apply(architecture(config, len(tokenizer), config.length), *head)
    save = partial(save_model, apply, tokenizer)
    rates = pretrain.rates_of(config.steps, config.warmup, config.learning_rate)
    key_init, key_masks = jax.random.split(jax.random.key(config.seed))
    options = {"apply": apply, "rates": rates, "micro_batch": micro_batch(config)}

    def take(state: State, rows: np.ndarray) -> tuple[State, LossSums]:
        return pretrain.train_step(state, windows[rows], key_masks, classes, **options)

    begin = partial(pretrain.start, apply, rates, key_init, change_of(config, apply, windows))
    params = train(config, workdir, apply, begin, take, len(windows), save)
    scoring = {"apply": apply, "batch_size": config.batch_size, "seed": config.seed}
    result = pretrain.evaluate(params, held_out, classes, **scoring)
    loss, accuracy = pretrain.unigram(windows, held_out, len(tokenizer), classes)
    result |= {"unigram_loss": loss, "unigram_accuracy": accuracy}
    result |= {
        "unknown": unknown,
        "train_tokens": windows.size,
        "seen_tokens": config.steps * config.batch_size * config.length,
    }
    result |= {"parameters": sum(leaf.size for leaf in jax.tree.leaves(params))}
    result |= {"seconds": reporting.training_seconds(workdir / "metrics.jsonl")}
    save(workdir / "model", params)
    records.write_atomic(workdir / "model" / "README.md", model_card(config, result).encode())
    records.write_json(workdir / "result.json", own | result)
    log.info("held-out loss %.3f nats, accuracy %.3f", result["loss"], result["accuracy"])


def check_start(config: schema.Pretrain) -> None:
    """Raises an InputError if the start is unknown, or names a model that it does not take, lacks or cannot find."""
    if config.init not in STARTS:
        raise InputError(f"init {config.init!r} is unknown: choose one of {', '.join(STARTS)}")
    if (config.init == "spectrum") != bool(config.init_model):
        raise InputError(
            f"init is {config.init} and init_model {config.init_model!r}: the start spectrum, and no other, takes the "
            "singular values of a model"
        )
    if config.init_model:
        models.resolve(config.init_model)


def change_of(config: schema.Pretrain, apply: models.Apply, windows: np.ndarray) -> pretrain.Change:
    """What changes the parameters before the first step; `scale` reads the windows of that step."""
    if config.init == "mimetic":
        return partial(initialise.mimetic, config=apply.config)
    if config.init == "spectrum":
        return partial(initialise.spectrum, trained=models.load(config.init_model).params)
    if config.init == "scale":
        first = windows[batch_rows(0, windows=len(windows), batch_size=config.batch_size, seed=config.seed)]
        return lambda key, params: initialise.scale(params, first, apply=apply)
    return pretrain.unchanged


def snapshots(config: schema.Pretrain | schema.Distill) -> frozenset[int]:
    """The steps after which a snapshot of the model is saved."""
    steps = lists.integers(config.snapshots)
    if wrong := [step for step in steps if not 0 <= step < config.steps]:
        raise InputError(f"there is no snapshot after step {wrong[0]}: choose from 0 to {config.steps - 1}")
    return frozenset(steps)


def micro_batch(config: schema.Pretrain | schema.Distill) -> int:
    """The rows that go through the model at once."""
    return rows_at_once(config.batch_size, config.length, config.micro_batch)


def train(
    config: schema.Pretrain | schema.Distill,
    workdir: Path,
    apply: models.Apply,
    begin: Callable[[], State],
    take: Callable[[State, np.ndarray], tuple[State, LossSums]],
    count: int,
    save: Callable[[Path, Params], None],
) -> Params:
    """Trains on batches of `count` rows, in a new order every epoch, and returns the final parameters.

    What a long training takes is said before.
    """
    shape = (config.steps, config.batch_size, config.length)
    operations = costs.pretraining_operations(apply.config, *shape)
    if said := costs.announcement(operations, lambda: costs.pretraining(apply, *shape).memory):
        log.info("%s", said)
    rows = partial(batch_rows, windows=count, batch_size=config.batch_size, seed=config.seed)
    kept = {"save": save, "snapshots": snapshots(config), "checkpoint_seconds": config.checkpoint_seconds}
    return pretrain.train(begin, take, rows, config.steps, workdir, **kept)


def save_model(apply: models.Apply, tokenizer: Any, folder: Path, params: Any) -> None:
    """Writes a model folder."""
    models.save(folder, apply, params, tokenizer, dtype="float16")


def windows_of(config: schema.Pretrain, tokenizer: Any, files: str) -> np.ndarray:
    """The token windows of text files, in the word order of the config."""
    text = pretraining_objectives.reorder(list(paragraphs(files)), config.word_order, config.seed)
    return pack(tokenizers.tokenize(tokenizer, text), config.length)


def paragraphs(files: str) -> Iterator[str]:
    """The lines of text files, in order, without blank lines."""
    for name in lists.names(files):
        lines = io.StringIO(read_text(name), newline=None)
        yield from (line.strip() for line in lines if line.strip())


def check_files(files: str, setting: str = "text") -> None:
    """Raises an InputError where a text file does not exist or a setting names none."""
    for name in lists.names(files) or ("''",):
        if not Path(name).is_file():
            raise InputError(f"no text at {name}: give files with --config.{setting}=FILE,FILE")


def tokenizer_of(config: schema.Pretrain | schema.Distill, files: str, max_length: int, folder: Path) -> Any:
    """The tokenizer of a run: the tokenizer of a model, or a lower-cased WordPiece trained on the text, in `folder`.

    Raises:
      InputError: the tokenizer of the model has other special tokens.
    """
    if not config.tokenizer:
        return tokenizers.train_wordpiece(paragraphs(files), config.vocabulary_size, max_length, folder)
    tokenizer = models.load(config.tokenizer).tokenizer
    tokenizers.check_special_tokens(tokenizer)
    tokenizer.model_max_length = max_length
    return tokenizer


def architecture(config: schema.Pretrain | schema.Distill, vocabulary_size: int, positions: int) -> models.ModelConfig:
    """The config of a BERT encoder with an inner width of 4 d and no dropout, because the model is small."""
    return models.ModelConfig(
        vocab_size=vocabulary_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=4 * config.hidden_size,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=INITIALIZER_RANGE,
        max_position_embeddings=positions,
    )


def model_card(config: schema.Pretrain, result: dict[str, Any]) -> str:
    """The model card: the settings and results of a run, in Markdown."""
    given = settings_without(config, ("experiment",))
    options = " ".join(f"--config.{name}={value}" for name, value in given.items())
    return f"""# An encoder of {result["parameters"]:,} parameters

BERT architecture: {config.layers} layers, width {config.hidden_size}, {config.heads} heads, windows of \
{config.length} tokens. Pre-trained from the start {config.init}, with objective
{config.objective} and word order {config.word_order}, without a next-sentence task and without dropout. Weights are \
stored as float16.

| | held-out loss (nats) | held-out accuracy |
|---|---|---|
| this encoder, masked tokens | {result["loss"]:.3f} | {result["accuracy"]:.3f} |
| frequencies alone | {result["unigram_loss"]:.3f} | {result["unigram_accuracy"]:.3f} |

Text: {result["train_tokens"]:,} tokens, of which {result["seen_tokens"]:,} were seen with repetitions, in \
{result["seconds"] / 60:.0f} minutes.

    {calling.words("python launch.py --config=configs/pretrain.py")} {options}
"""
