"""One pass over the sequences: the same numbers as from whole clouds, without holding one."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from places import FIXTURES

from geojax import representations
from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.models import load
from geojax.representations import forward
from geojax.representations.policies import EVERY
from geojax.streaming import layer_stream, reservoir

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice("a cat of the space layer one two point".split(), RNG.integers(1, 9))) for _ in range(80)]
LAYERS = (0, 2, 3)
SMALL = {"codebooks": 2, "codebook_size": 4, "iterations": 3, "groups": 0}


@pytest.fixture(scope="module")
def model():
    return load(FIXTURES / "random-bert")


def streamed(model, points, tokens="all", texts=TEXTS, **options):
    return layer_stream.sample(*model[:3], texts, layers=LAYERS, points=points, key=KEY, tokens=tokens, **options)


@pytest.mark.parametrize("tokens", [*EVERY, "cls", "mean", "max"])
def test_every_policy_gives_the_moments_and_a_sample_of_the_cloud(model, tokens):
    clouds = representations.sample(*model[:3], TEXTS, layers=LAYERS, tokens=tokens)
    for cloud, found in zip(clouds, streamed(model, 40, tokens), strict=True):
        n = len(cloud.points)
        draws = np.asarray(reservoir.priorities(KEY, jnp.arange(n)))
        chosen = np.sort(np.argsort(draws)[:40])
        np.testing.assert_array_equal(found.sample.points, cloud.points[chosen])
        for name in ("sequence_index", "position", "token_id"):
            np.testing.assert_array_equal(getattr(found.sample, name), getattr(cloud, name)[chosen])
        assert found.sample.layer == cloud.layer and found.sample.provenance["sample"] == f"40 of {n} points"
        exact = cloud.points.astype(np.float64)
        spectrum = oracles.spectrum(exact)
        evaluation = layer_stream.measure(found, "isoscore,pq_patchiness,eee", KEY, **SMALL)
        isoscore, patchiness, eee = evaluation.results
        assert eee.n == isoscore.n == n and patchiness.n == 40 and eee.n_duplicates is None
        assert eee.n_sequences == len(TEXTS) and patchiness.n_sequences == len(set(found.sample.sequence_index))
        if not spectrum.any():  # every first token has the same embeddings
            assert tokens == "cls" and cloud.layer == 0 and np.isnan([eee.value, isoscore.value]).all()
            continue
        np.testing.assert_allclose(eee.value, oracles.eee(exact), rtol=1e-5)
        np.testing.assert_allclose(isoscore.value, oracles.isoscore(exact), rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(evaluation.spectrum, spectrum, rtol=1e-4, atol=1e-5 * spectrum[0])
        assert patchiness.value == evaluate(found.sample, "pq_patchiness", KEY, **SMALL).results[0].value
        assert any(f"sample of 40 of the {n} points" in warning for warning in patchiness.warnings)
        assert not any("rank" in warning for warning in eee.warnings)  # what LayerNorm takes is known
        assert not any("sample" in warning or "indices" in warning for warning in eee.warnings)


def test_errors_are_those_of_the_sample(model):
    """What the moments give has none, and says so where errors are asked for."""
    found = streamed(model, 300)[-1]
    for groups in (6, 0):
        evaluation = layer_stream.measure(found, "eee,vrm", KEY, groups=groups)
        eee, vrm = evaluation.results
        assert (eee.std_error, eee.bias, eee.interval()) == (None, None, None) and "eee" not in evaluation.replicates
        assert (vrm.std_error is not None) == ("vrm" in evaluation.replicates) == (groups > 0)
        assert ("no sampling error: moments do not tell the sequences apart" in eee.warnings) == (groups > 0)
    with pytest.raises(InputError, match="groups is 2"):
        layer_stream.measure(found, "eee", KEY, groups=2)


def test_a_sample_of_all_points_is_the_cloud(model):
    (*_, cloud) = representations.sample(*model[:3], TEXTS, layers=LAYERS)
    (*_, found) = streamed(model, 10_000)
    np.testing.assert_array_equal(found.sample.points, cloud.points)
    assert layer_stream.measure(found, "eee,vrm", KEY).results[0].n_duplicates is not None


def test_memory_does_not_grow_with_the_sequences(model):
    """Nothing that is kept has a dimension of n."""
    sizes = []
    for times in (1, 4):
        (found, *_) = streamed(model, 40, texts=TEXTS * times)
        sizes.append(sum(np.size(leaf) for leaf in (*jax.tree.leaves(found.moments), *vars(found.sample).values())))
    assert sizes[0] == sizes[1]


def test_compilations_are_those_of_the_lengths(model):
    streamed(model, 40)
    before = layer_stream._absorb._cache_size()
    streamed(model, 50, texts=TEXTS[::-1])
    assert layer_stream._absorb._cache_size() == before <= len(forward.LENGTHS)


def test_not_a_number_is_an_error_that_names_the_place(model):
    broken = dict(model.params, embeddings=dict(model.params["embeddings"]))
    table = np.array(broken["embeddings"]["word_embeddings"]["embedding"])
    table[model.tokenizer.convert_tokens_to_ids("x")] = np.nan
    broken["embeddings"]["word_embeddings"] = {"embedding": table}
    with pytest.raises(InputError, match="model here: .* layer 0 .* at position 1 of sequence 1"):
        streamed(model._replace(params=broken), 5, texts=["a", "x"], provenance={"model": "here"})
    with pytest.raises(InputError, match="points is 0"):
        streamed(model, 0)
