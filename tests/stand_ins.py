"""Small models, data and interruptions that the tests of training share."""

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from places import FIXTURES

from geojax import models
from geojax.data import glue
from geojax.data.tokenizers import CLS, SEP, SPECIAL_TOKENS
from geojax.models.config import read_config
from geojax.training.settings import Settings

LETTERS = "abcdefgh"


@dataclasses.dataclass(frozen=True)
class Bag:
    """A stand-in for an encoder: mean of embeddings, dropout, a dense layer."""

    num_labels: int
    rate: float = 0.1

    def __call__(self, params, batch, *, key=None):
        mask = batch["attention_mask"][..., None].astype(jnp.float32)
        mean = jnp.sum(
            params["embeddings"]["word_embeddings"]["embedding"][batch["input_ids"]] * mask, axis=1
        ) / jnp.sum(mask, axis=1)
        if key is not None:
            mean = jnp.where(jax.random.bernoulli(key, 1 - self.rate, mean.shape), mean / (1 - self.rate), 0)
        return {"logits": mean @ params["head"]["kernel"] + params["head"]["bias"]}

    def init(self, seed=0):
        table, kernel = jax.random.split(jax.random.key(seed))
        return {
            "embeddings": {"word_embeddings": {"embedding": jax.random.normal(table, (10, 6))}},
            "head": {"kernel": jax.random.normal(kernel, (6, self.num_labels)), "bias": jnp.zeros(self.num_labels)},
        }


class Letters:
    """A stand-in for a tokenizer: one id a letter, between two special tokens."""

    pad_token_id = 0

    def num_special_tokens_to_add(self, pair):
        return 2

    def __call__(self, texts, *, truncation, max_length, padding):
        return {"input_ids": [[1, *(2 + LETTERS.index(c) for c in t)][: max_length - 1] + [1] for t in texts]}


def stand_in(num_labels=2, rate=0.1):
    bag = Bag(num_labels, rate)
    return SimpleNamespace(
        apply=bag, params=bag.init(), tokenizer=Letters(), config=models.ModelConfig(max_position_embeddings=64)
    )


def one_layer(family="bert", labels=2, rate=0.0):
    """A real encoder of one layer, its function and its parameters."""
    rates = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"), rate)
    config = dataclasses.replace(read_config(FIXTURES / f"random-{family}"), num_hidden_layers=1, **rates)
    apply = models.make_apply(config, "classification", labels)
    return apply, models.init(apply, jax.random.key(0))


def random_windows(n, length=20, vocabulary=40, seed=0):
    """Windows as `masking.pack` makes them, of random tokens, with a paragraph's end in the middle."""
    ids = np.random.default_rng(seed).integers(len(SPECIAL_TOKENS), vocabulary, (n, length), dtype=np.int32)
    ids[:, 0], ids[:, length // 2] = CLS, SEP
    return ids


def task_data(name="sst2", n=70, dev=19, longest=30, seed=0):
    """Words of the letters a to h; the label is whether `a` occurs, or how often."""
    task = glue.TASKS[name]
    rng = np.random.default_rng(seed)

    def examples(count):
        texts = tuple("".join(rng.choice(list(LETTERS), rng.integers(1, longest))) for _ in range(count))
        found = [text.count("a") for text in texts]
        labels = np.asarray(found, np.float32) if task.regression else np.asarray(np.minimum(found, 1), np.int32)
        return glue.Examples(texts, None, labels)

    return glue.TaskData(task, examples(n), {"dev": examples(dev)}, {})


def same(a, b):
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


SETTINGS = Settings(learning_rate=0.05, epochs=3, batch_size=16, max_length=32, seed=3)


class Stopped(Exception):
    pass


def stop_at(last):
    def progress(step, total, loss):
        if step == last:
            raise Stopped

    return progress


def kill_and_return(folder, epochs, kills, rng, script):
    """Runs in a process of its own, killed `kills` times after some more steps; returns what it ended with."""
    command = [sys.executable, "-c", script, str(folder), str(Path(__file__).parent), str(epochs)]
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        steps = rng.randrange(1, max(2, 10 * epochs // (kills + 1)))
        for _ in range(steps):
            process.stdout.readline()
        time.sleep(rng.random() * 0.1)  # in the midst of a step, or of writing a checkpoint
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (folder / "final.pickle").read_bytes()
