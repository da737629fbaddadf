"""The examples of a task as points: those that the model gives for each alone, whatever they are batched with."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from geojax.errors import InputError
from geojax.glue import Examples
from geojax.glue.points import ROWS, clouds
from geojax.models import load

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module", params=["bert", "roberta"])
def model(request):
    return load(DATA / f"random-{request.param}")


def examples(pairs):
    rng = np.random.default_rng(0)
    texts = tuple("a cat sat" + " on" * int(rng.integers(12)) for _ in range(ROWS + 5))
    return Examples(texts, texts[::-1] if pairs else None, np.zeros(len(texts), np.int32))


@pytest.mark.parametrize("pairs", [False, True], ids=["sentences", "pairs"])
@pytest.mark.parametrize("tokens", ["cls", "mean"])
def test_a_point_is_what_the_model_gives_for_its_example(model, pairs, tokens):
    asked = examples(pairs)
    found = clouds(model, asked, layers=(0, 3), tokens=tokens, provenance={"task": "own"})
    assert [cloud.layer for cloud in found] == [0, 3] and found[0].provenance["task"] == "own"
    for place in (0, 7, len(asked) - 1):
        texts = (asked.text_a[place],) if asked.text_b is None else (asked.text_a[place], asked.text_b[place])
        ids = model.tokenizer(*texts, return_token_type_ids=True)
        batch = {name: jnp.asarray(ids[name])[None] for name in ("input_ids", "attention_mask", "token_type_ids")}
        states = model.apply(model.params, batch)["hidden_states"]
        for cloud in found:
            vectors = np.asarray(states[cloud.layer])[0]
            expected = vectors[0] if tokens == "cls" else vectors.mean(0)
            np.testing.assert_allclose(cloud.points[place], expected, atol=1e-4)
            assert cloud.sequence_index[place] == place


def test_one_point_an_example_is_needed(model):
    with pytest.raises(InputError, match="'all' does not give one point for each example: choose cls or mean"):
        clouds(model, examples(False), layers=(3,), tokens="all")
