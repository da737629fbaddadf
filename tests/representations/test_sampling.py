"""Sampling: padding and batching never change a vector, every point knows where it came from."""

import numpy as np
import pytest
from places import FIXTURES

from geojax import representations
from geojax.errors import InputError
from geojax.models import load
from geojax.representations import forward
from geojax.representations.cloud import Cloud, common_points

TEXTS = ["a cat", "geometry of a space, layer by layer", "x", "one two three four five six seven", "a cat"]


@pytest.fixture(scope="module", params=["bert", "roberta"])
def model(request):
    return load(FIXTURES / f"random-{request.param}")


def sample(model, texts, layers=(3,), tokens="all", **options):
    return representations.sample(*model[:3], texts, layers=layers, tokens=tokens, **options)


def test_batching_never_changes_a_vector(model):
    (together,) = sample(model, TEXTS)
    for i, text in enumerate(TEXTS):
        (alone,) = sample(model, [text])
        rows = together.sequence_index == i
        np.testing.assert_allclose(together.points[rows], alone.points, atol=1e-5, rtol=0)
        np.testing.assert_array_equal(together.token_id[rows], alone.token_id)
        np.testing.assert_array_equal(together.position[rows], np.arange(rows.sum()))


def test_every_position_is_a_point(model):
    (cloud,) = sample(model, TEXTS)
    ids = [token for text in TEXTS for token in model.tokenizer(text)["input_ids"]]
    np.testing.assert_array_equal(cloud.token_id, ids)
    assert cloud.points.shape == (len(ids), 24) and cloud.points.dtype == np.float32


def test_one_pass_gives_every_layer(model):
    clouds = sample(model, TEXTS, layers=(0, 1, 2, 3))
    for cloud in clouds:
        (alone,) = sample(model, TEXTS, layers=(cloud.layer,))
        np.testing.assert_allclose(cloud.points, alone.points, atol=1e-5)
    assert [cloud.layer for cloud in clouds] == [0, 1, 2, 3]


def test_token_policies(model):
    (everything,) = sample(model, TEXTS)
    by_sequence = [everything.points[everything.sequence_index == i] for i in range(len(TEXTS))]
    (content,) = sample(model, TEXTS, tokens="content")
    np.testing.assert_allclose(content.points, np.concatenate([points[1:-1] for points in by_sequence]), atol=1e-6)
    (cls,) = sample(model, TEXTS, tokens="cls")
    np.testing.assert_allclose(cls.points, np.stack([points[0] for points in by_sequence]), atol=1e-6)
    (mean,) = sample(model, TEXTS, tokens="mean")
    np.testing.assert_allclose(mean.points, np.stack([points.mean(0) for points in by_sequence]), atol=1e-5)
    (word,) = sample(model, TEXTS, tokens="word")
    assert np.bincount(word.sequence_index).tolist() == [2, 8, 1, 7, 2]  # the comma counts as a word
    assert word.provenance["tokens"] == "word"


def test_a_cloud_knows_how_it_was_made(model, tmp_path):
    (cloud,) = sample(model, TEXTS, provenance={"model": "here", "alpha": 2.5})
    cloud.save(tmp_path / "cloud.safetensors")
    again = Cloud.load(tmp_path / "cloud.safetensors")
    assert again.provenance == cloud.provenance and again.layer == cloud.layer
    assert again.provenance["alpha"] == 2.5 and again.provenance["sequences"] == len(TEXTS)
    for name in ("points", "sequence_index", "position", "token_id"):
        np.testing.assert_array_equal(getattr(again, name), getattr(cloud, name))


def test_a_damaged_cloud_file_is_named(model, tmp_path):
    (cloud,) = sample(model, TEXTS)
    path = tmp_path / "cloud.safetensors"
    cloud.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole cloud file"):
        Cloud.load(path)
    with pytest.raises(InputError, match="not a whole cloud file"):
        Cloud.load(FIXTURES / "random-bert" / "model.safetensors")


def test_long_sequences_are_cut_and_counted(model):
    limit = 77  # max_position_embeddings - 3
    exact, longer = "a" * (limit - 2), "a" * 500
    (cloud,) = sample(model, [exact, longer, "b"])
    assert np.bincount(cloud.sequence_index).tolist() == [limit, limit, 3]
    assert cloud.provenance["truncated"] == 1


def test_the_number_of_compilations_is_that_of_the_lengths(model):
    rng = np.random.default_rng(0)
    before = forward.compiled._cache_size()
    for _ in range(4):
        sample(model, ["a" * rng.integers(1, 75) for _ in range(30)], layers=(1,))
    assert forward.compiled._cache_size() - before <= len(forward.LENGTHS)


def test_not_a_number_is_an_error_that_names_the_place(model):
    broken = dict(model.params, embeddings=dict(model.params["embeddings"]))
    table = np.array(broken["embeddings"]["word_embeddings"]["embedding"])
    table[model.tokenizer.convert_tokens_to_ids("x")] = np.nan
    broken["embeddings"]["word_embeddings"] = {"embedding": table}
    with pytest.raises(
        InputError, match="model here: .* of layer 2 hold NaN or Inf, the first at position 0 of sequence 1"
    ):
        sample(model._replace(params=broken), ["a", "x"], layers=(2,), provenance={"model": "here"})


def test_progress_is_told(model):
    calls = []
    sample(model, TEXTS, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (5, 5) and [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_layers_are_parsed():
    assert representations.parse_layers("last", 6) == (6,) and representations.parse_layers("all", 2) == (0, 1, 2)
    assert representations.parse_layers("0, 3,-1", 6) == (0, 3, 6)
    for bad in ("7", "first", "", "1.5"):
        with pytest.raises(InputError, match="layers"):
            representations.parse_layers(bad, 6)


def test_bad_input_is_named(model, tmp_path):
    with pytest.raises(InputError, match="token policy 'sum' is unknown"):
        sample(model, TEXTS, tokens="sum")
    with pytest.raises(InputError, match="no sequences"):
        sample(model, [])
    with pytest.raises(InputError, match="cannot be read"):
        representations.read_sequences(tmp_path / "none.txt")
    (tmp_path / "gap.txt").write_text("a\n\nb\n")
    with pytest.raises(InputError, match="empty line 2"):
        representations.read_sequences(tmp_path / "gap.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(InputError, match="cannot be read"):
        representations.read_sequences(tmp_path / "latin.txt")
    (tmp_path / "odd.txt").write_bytes("a\x85b\u2028c\r\nd".encode())
    assert representations.read_sequences(tmp_path / "odd.txt") == ["a\x85b\u2028c", "d"]


@pytest.mark.slow
def test_the_published_sample_has_its_published_size(minilm, shared):
    texts = representations.read_sequences(shared / "latent_sample" / "sequences.txt")
    (cloud,) = sample(minilm, texts, layers=(6,))
    assert cloud.points.shape == (116_667, 384)
    assert cloud.sequence_index[-1] == 4_999


def test_the_published_sample_has_its_published_number_of_tokens(minilm, shared):
    texts = representations.read_sequences(shared / "latent_sample" / "sequences.txt")
    assert sum(map(len, minilm.tokenizer(texts)["input_ids"])) == 116_667


def cloud_of(counts, seed):
    """A cloud with so many points of each sequence."""
    index = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    points = np.random.default_rng(seed).standard_normal((len(index), 3)).astype(np.float32)
    position = np.concatenate([np.arange(count) for count in counts]).astype(np.int32)
    return Cloud(points, index, position, np.full(len(index), seed, np.int32), 2)


def test_clouds_are_cut_to_common_numbers_of_points():
    whole = (cloud_of([3, 5, 0, 4], 1), cloud_of([4, 2, 6, 4], 2))
    cut = common_points(whole, seed=0)
    for before, after in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(np.bincount(after.sequence_index, minlength=4), [3, 2, 0, 4])
        found = {tuple(row) for row in before.points}
        assert all(tuple(row) in found for row in after.points) and (after.token_id == before.token_id[0]).all()
        assert (np.diff(after.sequence_index) >= 0).all()
    assert len({common_points(whole, seed)[0].points.tobytes() for seed in range(9)}) > 1
    assert all(again is before for again, before in zip(common_points(whole[:1] * 2, 0), whole[:1] * 2, strict=True))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_no_part_of_a_sequence(tmp_path, encoding):
    """The digest, and with it the identity of a run, is that of the same file without the mark."""
    texts = ["Ünlü sentences", "and more"]
    for ends in ("\n", "\r\n", "\r"):
        (tmp_path / "sequences.txt").write_bytes((ends.join(texts) + ends).encode(encoding))
        assert representations.read_sequences(tmp_path / "sequences.txt") == texts
