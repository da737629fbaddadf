"""Run by test_layout in a process of its own with 8 devices; prints one JSON record."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
from stand_ins import Letters, Stopped, stop_at, task_data

from geojax import models
from geojax.errors import InputError
from geojax.parallel.layout import Layout, over_all
from geojax.parallel.mesh import data_mesh
from geojax.training import finetune
from geojax.training.settings import Settings

SETTINGS = Settings(
    learning_rate=1e-2, epochs=6, batch_size=16, micro_batch=8, max_length=16, weight_decay=0.1
)  # of 80 examples: 30 steps
CONFIG = models.ModelConfig(
    vocab_size=16, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=40,
    max_position_embeddings=16, hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3,
)  # fmt: skip


def model_and_data():
    apply = models.make_apply(CONFIG, "classification", 2)
    params = models.init(apply, jax.random.key(0))
    model = SimpleNamespace(apply=apply, params=params, tokenizer=Letters(), config=CONFIG)
    return model, task_data(n=80, dev=70, longest=7)


def main(folder):
    model, data = model_and_data()

    def train(layout, settings=SETTINGS, **options):
        found = []
        options = {"progress": lambda step, total, loss: found.append(loss)} | options
        params, result = finetune.finetune(model, data, settings, layout=layout, **options)
        leaves = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])
        return {"losses": [float(loss) for loss in found], "score": result["score"], "parameters": leaves.tolist()}

    cut = over_all(shard_parameters=True)
    adapters = replace(SETTINGS, lora_rank=2, lora_targets="query,output")
    layouts = {"one": None, "two": Layout(data_mesh(jax.devices()[:2])), "eight": over_all(), "cut": cut}
    record = {name: train(layout) for name, layout in layouts.items()}
    record["adapters"] = [train(layout, adapters) for layout in (None, over_all())]
    try:
        train(over_all(), Settings(micro_batch=12, max_length=16))
    except InputError as error:
        record["refusal"] = str(error)

    placed = jax.tree.leaves(cut.place(model.params))
    record["shares"] = [[leaf.shape, leaf.addressable_shards[0].data.shape] for leaf in placed]

    # begun on eight devices, ended on one
    try:
        train(cut, progress=stop_at(2), workdir=folder, checkpoint_seconds=0.0)
    except Stopped:
        record["moved"] = train(None, workdir=folder)
    print(json.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1])
