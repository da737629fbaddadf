"""One pass over the sequences: the same numbers as from whole clouds, without holding one."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax import batches, latent, stream
from geojax.accumulate import reservoir
from geojax.errors import InputError
from geojax.evaluate import evaluate
from geojax.models import load

DATA = Path(__file__).parent / "data"
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice("a cat of the space layer one two point".split(), RNG.integers(1, 9))) for _ in range(80)]
LAYERS = (0, 2, 3)
SMALL = {"codebooks": 2, "codebook_size": 4, "iterations": 3}


@pytest.fixture(scope="module")
def model():
    return load(DATA / "random-bert")


def streamed(model, points, tokens="all", texts=TEXTS, **options):
    return stream.sample(*model[:3], texts, layers=LAYERS, points=points, key=KEY, tokens=tokens, **options)


@pytest.mark.parametrize("tokens", batches.TOKEN_POLICIES)
def test_every_policy_gives_the_moments_and_a_sample_of_the_cloud(model, tokens):
    clouds = latent.sample(*model[:3], TEXTS, layers=LAYERS, tokens=tokens)
    for cloud, found in zip(clouds, streamed(model, 40, tokens), strict=True):
        n = len(cloud.points)
        draws = np.asarray(reservoir.priorities(KEY, jnp.arange(n)))
        chosen = np.sort(np.argsort(draws)[:40])
        np.testing.assert_allclose(found.sample.points, cloud.points[chosen], atol=1e-6)
        for name in ("sequence_index", "position", "token_id"):
            np.testing.assert_array_equal(getattr(found.sample, name), getattr(cloud, name)[chosen])
        assert found.sample.layer == cloud.layer and found.sample.provenance["sample"] == f"40 of {n} points"
        exact = evaluate(cloud, "eee,isoscore", KEY, groups=0)
        evaluation = stream.measure(found, "isoscore,pq_patchiness,eee", KEY, **SMALL)
        isoscore, patchiness, eee = evaluation.results
        assert eee.n == isoscore.n == n and patchiness.n == 40 and eee.n_duplicates is None
        assert eee.n_sequences == exact.results[0].n_sequences == len(TEXTS)
        np.testing.assert_allclose([eee.value, isoscore.value], [row.value for row in exact.results], rtol=1e-5)
        np.testing.assert_allclose(evaluation.spectrum, exact.spectrum, rtol=1e-4, atol=1e-5 * exact.spectrum[0])
        assert patchiness.value == evaluate(found.sample, "pq_patchiness", KEY, **SMALL).results[0].value
        assert any(f"sample of 40 of the {n} points" in warning for warning in patchiness.warnings)
        assert eee.std_error is None and patchiness.se_sampling is not None
        assert "no sampling error: moments" in eee.warnings[0] and eee.warnings[1:] == exact.results[0].warnings
        assert not any(
            "no sampling error" in row.warnings for row in stream.measure(found, "eee", KEY, groups=0).results
        )


def test_a_sample_of_all_points_is_the_cloud(model):
    (*_, cloud) = latent.sample(*model[:3], TEXTS, layers=LAYERS)
    (*_, found) = streamed(model, 10_000)
    np.testing.assert_allclose(found.sample.points, cloud.points, atol=1e-6)
    assert stream.measure(found, "eee,vrm", KEY).results[0].n_duplicates is not None


def test_memory_does_not_grow_with_the_sequences(model):
    """Nothing that is kept has a dimension of n."""
    sizes = []
    for times in (1, 4):
        (found, *_) = streamed(model, 40, texts=TEXTS * times)
        sizes.append(sum(np.size(leaf) for leaf in (*jax.tree.leaves(found.moments), *vars(found.sample).values())))
    assert sizes[0] == sizes[1]


def test_compilations_are_those_of_the_lengths(model):
    streamed(model, 40)
    before = stream._absorb._cache_size()
    streamed(model, 50, texts=TEXTS[::-1])
    assert stream._absorb._cache_size() == before <= len(batches.LENGTHS)


def test_not_a_number_is_an_error_that_names_the_place(model):
    broken = dict(model.params, embeddings=dict(model.params["embeddings"]))
    table = np.array(broken["embeddings"]["word_embeddings"]["embedding"])
    table[model.tokenizer.convert_tokens_to_ids("x")] = np.nan
    broken["embeddings"]["word_embeddings"] = {"embedding": table}
    with pytest.raises(InputError, match="model here: .* layer 0 .* at position 1 of sequence 1"):
        streamed(model._replace(params=broken), 5, texts=["a", "x"], provenance={"model": "here"})
    with pytest.raises(InputError, match="points is 0"):
        streamed(model, 0)
