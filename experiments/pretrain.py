"""Pre-trains an encoder on plain text by predicting masked tokens.

Writes `model/`, `metrics.jsonl` and `result.json`, and `model_STEP/` for every snapshot.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from configs import lists, schema
from geojax import models
from geojax.errors import InputError
from geojax.runtime import folders, preemption, records
from geojax.runtime.preemption import Preempted
from geojax.runtime.run_once import once, settings_without
from geojax.training import checkpoint, micro_batches, pretrain, pretraining_objectives

LOG_STEPS = 100
UNRELATED = ("checkpoint_seconds",)  # settings on which no result depends
INITIALIZER_RANGE = 0.06  # BERT's 0.02 is for a width of 768; at 128 it starts attention too flat
ALPHABET = 150  # characters with pieces of their own; rarer ones become [UNK]

log = logging.getLogger(__name__)


def run(config: schema.Pretrain, workdir: Path) -> None:
    """Trains a tokenizer and an encoder on `config.text`, scores it on `config.eval_text`; resumes where it stopped."""
    workdir = folders.local(workdir)
    pretraining_objectives.check(config.objective, config.word_order)
    snapshots(config)
    micro_batch(config)
    own = settings_without(config, UNRELATED)
    once(workdir, own, partial(make, config, workdir, own))


def make(config: schema.Pretrain, workdir: Path, own: Mapping[str, Any]) -> None:
    """The work of a folder with these settings."""
    check_files(config.text)
    check_files(config.eval_text, "eval_text")
    tokenizer = tokenizer_of(config, workdir / "tokenizer")
    windows, held_out = (
        pretrain.pack(
            tokenize(
                tokenizer, pretraining_objectives.reorder(list(paragraphs(files)), config.word_order, config.seed)
            ),
            config.length,
        )
        for files in (config.text, config.eval_text)
    )
    log.info("%d windows of %d tokens to train on, %d held out", len(windows), config.length, len(held_out))
    vocabulary = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    classes = pretraining_objectives.token_classes(config.objective, vocabulary, config.seed)
    head = (
        ("masked_lm",)
        if classes is None
        else ("token_classification", pretraining_objectives.CLASSES[config.objective])
    )
    apply = models.make_apply(architecture(config, len(tokenizer)), *head)
    save = partial(save_model, apply, tokenizer)
    schedule = pretrain.Schedule(config.steps, config.warmup, config.learning_rate)
    key_init, key_masks = jax.random.split(jax.random.key(config.seed))
    rows = {"windows": len(windows), "batch_size": config.batch_size, "seed": config.seed}
    options = {"apply": apply, "schedule": schedule, "micro_batch": micro_batch(config)}

    def take(state: pretrain.State, step: int) -> tuple[pretrain.State, pretrain.Totals]:
        batch = windows[pretrain.batch_rows(step, **rows)]
        return pretrain.train_step(state, batch, key_masks, classes, **options)

    params = train(config, workdir, pretrain.start(apply, schedule, key_init), take, save)
    result = evaluate(apply, params, held_out, classes, config)
    loss, accuracy = pretrain.unigram(windows, held_out, len(tokenizer), classes)
    result |= {"unigram_loss": loss, "unigram_accuracy": accuracy}
    result |= {"train_tokens": windows.size, "seen_tokens": config.steps * config.batch_size * config.length}
    result |= {"parameters": sum(leaf.size for leaf in jax.tree.leaves(params))}
    result |= {"seconds": seconds(workdir)}
    save(workdir / "model", params)
    records.write_atomic(workdir / "model" / "README.md", model_card(config, result).encode())
    records.write_json(workdir / "result.json", own | result)
    log.info("held-out loss %.3f nats, accuracy %.3f", result["loss"], result["accuracy"])


def snapshots(config: schema.Pretrain | schema.Distill) -> frozenset[int]:
    """The steps after which the model is kept."""
    steps = lists.integers(config.snapshots)
    if wrong := [step for step in steps if not 0 <= step < config.steps]:
        raise InputError(f"there is no snapshot after step {wrong[0]}: choose from 0 to {config.steps - 1}")
    return frozenset(steps)


def micro_batch(config: schema.Pretrain | schema.Distill) -> int:
    """The rows that go through the model at once."""
    return micro_batches.rows_at_once(config.batch_size, config.length, config.micro_batch)


def save_model(apply: models.Apply, tokenizer: Any, folder: Path, params: Any) -> None:
    """Writes a model folder."""
    models.save(folder, apply, params, tokenizer, dtype="float16")


def paragraphs(files: str) -> Iterator[str]:
    """The lines of text files, in order, without the blank ones."""
    for name in lists.names(files):
        with open(name, encoding="utf-8") as file:
            yield from (line.strip() for line in file if line.strip())


def check_files(files: str, setting: str = "text") -> None:
    """Raises an InputError where there is no such text, or the setting names none."""
    for name in lists.names(files) or ("''",):
        if not Path(name).is_file():
            raise InputError(f"no text at {name}: give files with --config.{setting}=FILE,FILE")


def tokenizer_of(config: schema.Pretrain, folder: Path) -> Any:
    """The lower-cased WordPiece tokenizer of the run: that of a model, or one that is trained on the text.

    A trained one is written to `folder`, and read from there afterwards: trained again it can differ, because pairs of
    pieces that are equally frequent are merged in no fixed order.

    Raises:
      InputError: a model with other special tokens.
    """
    if config.tokenizer:
        tokenizer = models.load(config.tokenizer).tokenizer
        check_special_tokens(tokenizer)
        tokenizer.model_max_length = config.length
        return tokenizer
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, trainers
    from tokenizers import models as tokenizer_models
    from transformers import BertTokenizer

    if not (folder / "DONE").exists():
        tokenizer = Tokenizer(tokenizer_models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=config.vocabulary_size,
            limit_alphabet=ALPHABET,
            special_tokens=list(pretrain.SPECIAL_TOKENS),
            show_progress=False,
        )
        tokenizer.train_from_iterator(paragraphs(config.text), trainer)
        BertTokenizer(vocab=tokenizer.get_vocab(), do_lower_case=True, model_max_length=config.length).save_pretrained(
            folder
        )
        records.write_atomic(folder / "DONE", b"")
    return BertTokenizer.from_pretrained(folder)


def check_special_tokens(tokenizer: Any) -> None:
    """Raises an InputError where a tokenizer's special tokens are not those of `SPECIAL_TOKENS`, in their order."""
    special = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id)
    if (*special, tokenizer.mask_token_id) != tuple(range(len(pretrain.SPECIAL_TOKENS))):
        raise InputError(
            "the model's special tokens are not those of configs/pretrain.py: choose an encoder made by it"
        )


def tokenize(tokenizer: Any, text: Iterable[str]) -> Iterator[list[int]]:
    """Token ids of every paragraph, without special tokens and uncut."""
    encoded = tokenizer.backend_tokenizer.encode_batch(list(text), add_special_tokens=False)
    return (encoding.ids for encoding in encoded)


def architecture(config: schema.Pretrain, vocabulary_size: int) -> models.EncoderConfig:
    """BERT with an inner width of 4 d, as many positions as a window has, and no dropout: the model is small."""
    return models.EncoderConfig(
        vocab_size=vocabulary_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=4 * config.hidden_size,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=INITIALIZER_RANGE,
        max_position_embeddings=config.length,
    )


def train(
    config: schema.Pretrain | schema.Distill,
    workdir: Path,
    state: pretrain.State,
    take: Callable[[pretrain.State, int], tuple[pretrain.State, pretrain.Totals]],
    save: Callable[[Path, Any], None],
) -> Any:
    """All steps from the newest checkpoint on; returns the parameters.

    Args:
      config: its number of steps, the time between checkpoints and the snapshots are read.
      workdir: of checkpoints, `metrics.jsonl` and snapshots.
      state: before the first step.
      take: does the step of a number, the first is 0.
      save: writes the parameters of a snapshot to a folder.

    Raises:
      InputError: divergence.
      Preempted: SIGTERM came, and a checkpoint was written.
    """
    kept = snapshots(config)
    found = checkpoint.restore(workdir / "checkpoints", state)
    step, state = found if found else (0, state)
    if step == 0 and 0 in kept:
        save(workdir / "model_0", state.params)
    sums, logged, saved = [], time.monotonic(), time.monotonic()
    with preemption.deferred() as preempted:
        while step < config.steps:
            state, totals = take(state, step)
            step += 1
            if step in kept:
                save(workdir / f"model_{step}", state.params)
            sums.append(totals)
            ending = preempted(step)
            if step % LOG_STEPS and step != config.steps and not ending:
                continue
            # Checkpoints fall on logged steps only: what a resumed run has summed up begins behind one.
            record = {"step": step} | ratios(sums) | {"seconds": time.monotonic() - logged}
            sums, logged = [], time.monotonic()
            records.append(workdir / "metrics.jsonl", record)
            log.info("step %d of %d: loss %.3f, accuracy %.3f", step, config.steps, record["loss"], record["accuracy"])
            if not np.isfinite(record["loss"]):
                raise InputError(f"the loss is {record['loss']} at step {step}: lower --config.learning_rate")
            if ending or time.monotonic() - saved >= config.checkpoint_seconds or step == config.steps:
                checkpoint.save(workdir / "checkpoints", step, state)
                saved = time.monotonic()
            if ending:
                raise Preempted(f"stopped and saved at step {step} of {config.steps}")
    return state.params


def evaluate(
    apply: models.Apply, params: Any, windows: np.ndarray, classes: np.ndarray | None, config: schema.Pretrain
) -> dict[str, float]:
    """Loss and accuracy on all of the held-out windows, with masks that depend on the seed alone."""
    key = jax.random.fold_in(jax.random.key(config.seed), 1)
    sums = []
    for index, first in enumerate(range(0, len(windows), config.batch_size)):
        batch = windows[first : first + config.batch_size]
        # Windows of padding fill the last batch: one shape, one compilation, and they hold nothing to mask.
        batch = np.pad(batch, ((0, config.batch_size - len(batch)), (0, 0)), constant_values=pretrain.PAD)
        sums.append(pretrain.eval_step(params, batch, jax.random.fold_in(key, index), classes, apply=apply))
    return ratios(sums)


def ratios(sums: list[pretrain.Totals]) -> dict[str, float]:
    """Loss in nats and accuracy over all the masked positions of several batches."""
    loss, correct, count = np.sum(jax.device_get([(t.loss, t.correct, t.count) for t in sums]), axis=0)
    return {"loss": float(loss / count), "accuracy": float(correct / count)}


def seconds(workdir: Path) -> float:
    """Training time; of steps that a resumed run did again, the last time counts."""
    return sum({record["step"]: record["seconds"] for record in records.read_lines(workdir / "metrics.jsonl")}.values())


def model_card(config: schema.Pretrain, result: dict[str, Any]) -> str:
    """The facts of a run, in Markdown."""
    given = settings_without(config, ("experiment",))
    options = " ".join(f"--config.{name}={value}" for name, value in given.items())
    return f"""# An encoder of {result["parameters"]:,} parameters

BERT architecture: {config.layers} layers, width {config.hidden_size}, {config.heads} heads, windows of \
{config.length} tokens. Pre-trained from scratch, with objective
{config.objective} and word order {config.word_order}, without a next-sentence task and without dropout. Weights are \
stored as float16.

| | held-out loss (nats) | held-out accuracy |
|---|---|---|
| this encoder, masked tokens | {result["loss"]:.3f} | {result["accuracy"]:.3f} |
| frequencies alone | {result["unigram_loss"]:.3f} | {result["unigram_accuracy"]:.3f} |

Text: {result["train_tokens"]:,} tokens, of which {result["seen_tokens"]:,} were seen with repetitions, in \
{result["seconds"] / 60:.0f} minutes.

    python launch.py --config=configs/pretrain.py {options}
"""
