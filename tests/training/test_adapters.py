"""Fine-tuning with LoRA: what trains, what a checkpoint holds, interruptions, populations of adapters."""

import dataclasses

import jax
import numpy as np
import pytest
from populations import encoder, watch
from stand_ins import Stopped, same, stop_at, task_data

from geojax.errors import InputError
from geojax.models.lora import merged
from geojax.training import checkpoint, finetune, memory
from geojax.training.parts import parts
from geojax.training.population import Member, finetune_population
from geojax.training.settings import Settings

SETTINGS = Settings(
    learning_rate=0.02,
    epochs=2,
    batch_size=16,
    max_length=12,
    weight_decay=0.1,
    lora_rank=2,
    lora_targets="query,output",
)
DATA = task_data(n=40, dev=12, longest=9)


def test_the_adapter_trains_and_the_rest_stays():
    model = encoder()
    trained, result = finetune.finetune(model, DATA, SETTINGS)
    begun = parts(model.apply, model.params, SETTINGS)
    assert jax.tree.structure(trained) == jax.tree.structure(begun.params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(trained):
        start = begun.params
        for part in path:
            start = start[part.key]
        assert not np.array_equal(leaf, start), path
    assert set(begun.frozen) == {"embeddings", "encoder"} and same(begun.frozen["encoder"], model.params["encoder"])
    assert result["lora_rank"] == 2 and result["lora_targets"] == "query,output"
    state = jax.eval_shape(lambda: finetune.init_state(begun.params))
    assert memory.size(state) < 4 * memory.size(begun.params)  # parameters and two moments


def test_an_interrupted_run_ends_with_the_same_bits_from_a_small_checkpoint(tmp_path):
    model, options = encoder(), {"workdir": tmp_path, "checkpoint_seconds": 0.0}
    expected, _ = finetune.finetune(model, DATA, SETTINGS)
    with pytest.raises(Stopped):
        finetune.finetune(model, DATA, SETTINGS, progress=stop_at(4), **options)
    own = parts(model.apply, model.params, SETTINGS).params
    _, state = checkpoint.restore(
        tmp_path / "training" / "checkpoints", jax.eval_shape(lambda: finetune.init_state(own))
    )
    assert jax.tree.structure(state.params) == jax.tree.structure(own)
    trained, result = finetune.finetune(model, DATA, SETTINGS, **options)
    assert result["resumed_at"] == 3 and same(trained, expected)


def members(**changed):
    base = encoder()
    settings = [dataclasses.replace(SETTINGS, seed=seed, learning_rate=0.01 * (1 + seed), **changed) for seed in (0, 1)]
    heads = [encoder(seed=seed).params["head"] for seed in (5, 6)]
    return [
        Member(f"m{k}", dataclass_of(base, head), DATA, own)
        for k, (head, own) in enumerate(zip(heads, settings, strict=True))
    ]


def dataclass_of(base, head):
    return type(base)(**vars(base) | {"params": base.params | {"head": head}})


def test_a_population_of_adapters_has_the_losses_of_single_runs():
    """On shared frozen parameters; seeds, heads and rates differ."""
    group, found = members(), []
    together = finetune_population(group, progress=watch(found))
    for place, member in enumerate(group):
        alone = []
        trained, result = finetune.finetune(member.model, DATA, member.settings, progress=watch(alone))
        np.testing.assert_allclose([losses[place] for losses in found], alone, atol=1e-5)
        params, own = together[place]
        assert own["metrics"] == pytest.approx(result["metrics"]) and own["learning_rate"] == result["learning_rate"]
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), params, trained)


def test_members_on_other_bases_are_refused():
    other = dataclasses.replace(members()[1], model=encoder(alpha=5.0))
    with pytest.raises(InputError, match="m1 and m0 have adapters on different parameters"):
        finetune_population([members()[0], other])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lora_rank": -1}, "lora_rank is -1"),
        ({"lora_alpha": 0.0}, "lora_alpha is 0.0"),
        ({"lora_targets": ""}, "LoRA needs a target"),
        (
            {"lora_targets": "query,wq"},
            "LoRA target 'wq' names no kernel of the model, which has attention/output, feed",
        ),
        ({"lora_rank": 17}, "LoRA rank 17 exceeds a side of the kernel encoder/0/attention/query, 16 x 16"),
    ],
)
def test_adapters_that_cannot_be(changed, message):
    model = encoder()
    with pytest.raises(InputError, match=message):
        parts(model.apply, model.params, dataclasses.replace(SETTINGS, **changed))


def test_without_lora_all_parameters_train():
    model = encoder()
    own = parts(model.apply, model.params, Settings())
    assert own.apply is model.apply and own.params is model.params and own.whole(model.params) is model.params
    adapted = parts(model.apply, model.params, SETTINGS)
    assert same(adapted.whole(adapted.params), merged(adapted.frozen, adapted.params, 8.0))
