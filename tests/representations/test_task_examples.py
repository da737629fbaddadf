"""The examples of a task as points: those that the model gives for each alone, whatever they are batched with."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from places import FIXTURES

from geojax.data.glue import Examples
from geojax.errors import InputError
from geojax.models import load, make_apply
from geojax.representations.task_examples import ROWS, clouds


@pytest.fixture(scope="module", params=["bert", "roberta"])
def model(request):
    return load(FIXTURES / f"random-{request.param}")


def examples(pairs):
    rng = np.random.default_rng(0)
    texts = tuple("a cat sat" + " on" * int(rng.integers(12)) for _ in range(ROWS + 5))
    return Examples(texts, texts[::-1] if pairs else None, np.zeros(len(texts), np.int32))


@pytest.mark.parametrize("pairs", [False, True], ids=["sentences", "pairs"])
def test_a_point_is_what_the_model_gives_for_its_example(model, pairs):
    asked, places = examples(pairs), [0, 7, ROWS + 4]
    texts = [[own[place] for place in places] for own in (asked.text_a, asked.text_b) if own]
    batch = dict(model.tokenizer(*texts, padding=True, return_token_type_ids=True, return_tensors="np"))
    states = [np.asarray(state) for state in jax.jit(model.apply)(model.params, batch)["hidden_states"]]
    counted = batch["attention_mask"][:, :, None]
    for tokens in ("cls", "mean"):
        found = clouds(model, asked, layers=(0, 3), tokens=tokens, provenance={"task": "own"})
        assert [cloud.layer for cloud in found] == [0, 3] and found[0].provenance["task"] == "own"
        for cloud in found:
            vectors = states[cloud.layer]
            expected = vectors[:, 0] if tokens == "cls" else (vectors * counted).sum(1) / counted.sum(1)
            np.testing.assert_allclose(cloud.points[places], expected, atol=1e-4)
            np.testing.assert_array_equal(cloud.sequence_index, np.arange(len(asked)))


def test_one_point_an_example_is_needed(model):
    with pytest.raises(InputError, match="'all' does not give one point for each example here: choose cls"):
        clouds(model, examples(False), layers=(3,), tokens="all")


def test_token_types_that_the_model_lacks_are_refused():
    """A tokenizer of pairs before a model with one type: the second text would have the vectors of the first."""
    model = load(FIXTURES / "random-bert")
    single = make_apply(replace(model.config, type_vocab_size=1))
    with pytest.raises(InputError, match="token type at .* is 1, but the model's table of token types has 0 to 0"):
        clouds(model._replace(apply=single, config=single.config), examples(True), layers=(3,))
