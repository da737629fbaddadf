"""Every architecture through the work of a study: token policies, a sample, fine-tuning on the tasks."""

import jax
import numpy as np
import pytest
from places import FIXTURES, ROOT

from geojax import models, representations
from geojax.data import glue
from geojax.errors import InputError
from geojax.models.architectures import ARCHITECTURES
from geojax.representations import forward
from geojax.training import finetune
from geojax.training.settings import Settings

TEXTS = ["a cat", "the shape of a space", "x"]


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_token_policies_follow_the_special_tokens_of_the_tokenizer(family):
    model = models.load(FIXTURES / f"random-{family}")
    kept = {
        tokens: forward.encode(model.apply, model.tokenizer, TEXTS, tokens).counts.tolist()
        for tokens in ("all", "content", "word", "mean")
    }
    ids = model.tokenizer(TEXTS)["input_ids"]
    special = 0 if ARCHITECTURES[family].causal else 2
    assert kept["all"] == [len(row) for row in ids]
    assert kept["content"] == [len(row) - special for row in ids]
    assert kept["word"] == [2, 5, 1] and kept["mean"] == [1, 1, 1]
    if special:
        assert (
            forward.encode(model.apply, model.tokenizer, TEXTS, "cls").index()["token_id"].tolist()
            == [model.tokenizer.cls_token_id] * 3
        )
    else:
        with pytest.raises(InputError, match=f"'cls' needs a .CLS. token, and {family} puts none"):
            forward.encode(model.apply, model.tokenizer, TEXTS, "cls")


def test_the_page_of_models_lists_them_all():
    page = (ROOT / "docs" / "models.md").read_text()
    assert all(f"`{family}`" in page for family in ARCHITECTURES)


@pytest.mark.parametrize("family", ["gpt2", pytest.param("albert", marks=pytest.mark.slow)])
def test_a_sample_is_what_the_model_makes_of_each_text(family):
    model = models.load(FIXTURES / f"random-{family}")
    clouds = representations.sample(*model[:3], TEXTS, layers=(0, 2))
    run = jax.jit(model.apply.__call__)
    for i, text in enumerate(TEXTS):
        batch = {name: np.asarray([value]) for name, value in model.tokenizer(text).items()}
        with jax.default_matmul_precision("highest"):
            states = run(model.params, batch)["hidden_states"]
        for cloud in clouds:
            found = cloud.points[cloud.sequence_index == i]
            np.testing.assert_allclose(found, states[cloud.layer][0], atol=1e-5, rtol=0)


def tuned(family, name):
    """A model before and after two steps on a task, and the result."""
    task, random = glue.TASKS[name], np.random.default_rng(0)

    def examples(count):
        texts = [tuple(" ".join(random.choice(list("abc"), 5)) for _ in range(count)) for _ in range(2)]
        labels = random.integers(0, 3, count) if task.regression else np.arange(count) % task.num_labels
        labels = labels.astype(np.float32 if task.regression else np.int32)
        return glue.Examples(texts[0], texts[1] if task.columns[1] else None, labels)

    data = glue.TaskData(task, examples(8), {"dev": examples(6)}, {})
    key = finetune.head_key(0)
    model = models.load(FIXTURES / f"random-{family}", head="classification", num_labels=task.num_labels, key=key)
    settings = Settings(epochs=1, batch_size=4, max_length=40, learning_rate=1e-3)
    return model.params, *finetune.finetune(model, data, settings)


def check(family, name):
    before, after, result = tuned(family, name)
    # Two steps may leave constant predictions, of which no correlation is defined.
    assert np.isfinite(result["score"]) or result["undefined"].keys() == result["metrics"].keys()
    assert result["steps"] == 2
    leaves = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
    still = [path for (path, old), new in leaves if path[-1].key == "kernel" and (old == new).all()]
    assert not still and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))


@pytest.mark.parametrize("family, name", [("albert", "stsb"), ("gpt2", "mnli")])
def test_fine_tuning_moves_every_kernel(family, name):
    check(family, name)


@pytest.mark.slow
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_every_architecture_learns_every_kind_of_task(family):
    """One text or two, classes or a number; BERT learns every task."""
    every = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
    for name in every if family == "bert" else ("sst2", "stsb", "mnli"):
        check(family, name)
