"""Run by test_population in a process of its own with 8 devices; prints one JSON record."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
from populations import bags, encoder, watch

from geojax.data.encoded import Encoded
from geojax.parallel.mesh import member_shardings
from geojax.training import finetune, population
from geojax.training.optimizers import Rates
from geojax.training.settings import Settings

COLLECTIVE = r"(all-gather|all-reduce|all-to-all|collective-permute)[\w.-]*\("


def main():
    record = {"devices": {count: member_shardings(count)[0].num_devices for count in (8, 6, 9, 11)}}
    members, together, record["alone"] = bags(8, epochs=6, micro_batch=16, max_length=8), [], []
    population.finetune_population(members, progress=lambda *done: together.append(done[2]))
    record["laid over"] = len(together[0].sharding.device_set)
    record["together"] = np.array(together).T.tolist()
    for member in members:
        alone = []
        finetune.finetune(member.model, member.data, member.settings, progress=watch(alone))
        record["alone"].append([float(loss) for loss in alone])

    model, (along, _) = encoder(), member_shardings(8)
    stacked = jax.tree.map(lambda leaf: jax.device_put(jnp.stack([leaf] * 8), along), model.params)
    state = population.start(stacked, "adamw", along)
    sums = population.no_sums(state.params, along)
    ids = np.ones((4, 12), np.int32)
    train = Encoded(ids, np.zeros_like(ids), np.full(4, 12), np.zeros(4, np.int32), (12,), 0)
    batch = population.micro_batches([train] * 8, [np.arange(4)] * 8, 4, same=False)[0]
    keys = jax.device_put(jax.random.split(jax.random.key(0), 8), along)
    rates = jax.device_put(Rates(*(np.full(8, x, np.float32) for x in Settings().rates(9))), along)
    placed = jax.device_put(batch, along)
    steps = (
        population.add_gradients.lower(model.apply, state.params, sums, placed, keys, state.step, 0, False).compile(),
        population.update.lower(state, sums, rates, 0, "adamw", along).compile(),
    )
    record["exchanged"] = sorted({found for step in steps for found in re.findall(COLLECTIVE, step.as_text())})
    record["whole on one device"] = [
        str(place) for step in steps for place in jax.tree.leaves(step.output_shardings) if place.is_fully_replicated
    ]
    print(json.dumps(record))


if __name__ == "__main__":
    main()
