"""Populations of stand-ins and of small encoders."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
from stand_ins import SETTINGS, Letters, stand_in, task_data

from geojax.models import ModelConfig, init, make_apply, perturb
from geojax.training.population import Member

TINY = ModelConfig(
    vocab_size=12, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
    max_position_embeddings=32, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2,
)  # fmt: skip


def encoder(alpha=0.0, seed=0):
    """A small random encoder under noise."""
    apply = make_apply(TINY, "classification", 2)
    params = perturb.add_noise(init(apply, jax.random.key(seed)), alpha, jax.random.key(1))
    return SimpleNamespace(apply=apply, params=params, tokenizer=Letters(), config=TINY)


def bags(count=3, **changed):
    """Members with seeds and rates of their own."""
    data = task_data()
    settings = [dataclasses.replace(SETTINGS, seed=k, learning_rate=0.05 / (k + 1), **changed) for k in range(count)]
    return [Member(f"m{k}", stand_in(), data, own) for k, own in enumerate(settings)]


def watch(found):
    return lambda step, total, loss: found.append(np.asarray(loss))
