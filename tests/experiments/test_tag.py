"""Terms tagged by vectors and by local topology: the whole experiment on a generated corpus, and on a user's files."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from places import FIXTURES

from configs import schema
from experiments import tag, topology
from geojax.data.terms import files, miniature
from geojax.errors import InputError
from geojax.representations import sample
from geojax.runtime import records
from geojax.topology import Datastore, local_topology

BERT = FIXTURES / "random-bert"
SMALL = {"neighbours": 8, "ranks": "1,4", "image": 2, "steps": 40, "batch_size": 32, "hidden_size": 16, "seeds": 2}
SMALL |= {"resamples": 50, "features": "vector+topology,vector+shuffled"}


def written(folder, name, utterances):
    """A file of tagged utterances."""
    rows, start = [], 0
    for words in utterances.words:
        tags = " ".join(files.TAGS[code] for code in utterances.tags[start : start + len(words)])
        rows.append(f"service\t{' '.join(words)}\t{tags}\n")
        start += len(words)
    (folder / name).write_text("".join(rows))
    return str(folder / name)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run on a user's files, which was killed after the first training, and its settings."""
    folder = tmp_path_factory.mktemp("tag")
    corpus = miniature.load(train=30, test=36)  # some 250 words a set: blocks of one size share a program
    settings = schema.Tag(
        model=str(BERT), train=written(folder, "train.tsv", corpus.train), labels="10,0",
        tests=",".join(written(folder, f"{name}.tsv", getattr(corpus, name)) for name in corpus._fields[1:]), **SMALL,
    )  # fmt: skip
    (folder / "store.txt").write_text("\n".join(" ".join(words) for words in corpus.train.words) + "\n")
    settings = replace(settings, store=str(folder / "store.txt"))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def stop(path, record, write=records.write_json):
            write(path, record)
            if path.name == "vector.json":
                raise KeyboardInterrupt

        patch.setattr(records, "write_json", stop)
        tag.run(settings, folder / "work")
    parts = {path.name for path in (folder / "work" / "parts").iterdir()}
    assert parts >= {"train.safetensors", "topology_train.npz", "vector.json"} and "vector+topology.json" not in parts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tag.local, "sample_words", None)  # vectors, topology and the first training are taken as they are
        patch.setattr(tag.local, "local_topology", None)
        tag.run(settings, folder / "work")
    return folder, settings


def test_a_run_scores_every_set_of_features_on_every_test(done):
    folder, _ = done
    table = pd.read_csv(folder / "work" / "tag.csv")
    sets = ["vector", "vector+topology", "vector+shuffled"]
    assert table["features"].tolist() == sets * 4 and table["utterances"].tolist() == ([10] * 3 + [30] * 3) * 2
    assert table["test"].tolist() == ["same_services"] * 6 + ["other_services"] * 6
    topological = 2 + 4 + 2 + 4 + 1  # codensity, norms, images of both degrees, dimension
    assert table["dims"].tolist() == [24, 24 + topological, 24 + topological] * 4
    assert table[["span_f1", "token_f1", "term_f1"]].stack().between(0, 1).all()
    changes = table[table["features"] != "vector"]
    assert (changes["span_f1_difference_low"] <= changes["span_f1_difference_high"]).all()
    reference = table[table["features"] == "vector"]
    assert (reference["span_f1_difference"] == 0).all() and (reference["token_f1"] > 0.1).any()
    np.testing.assert_allclose(table["span_f1"] - table["span_f1_difference"], np.repeat(reference["span_f1"], 3))
    text = (folder / "work" / "tag.md").read_text()
    assert text.count("| vector+topology | 37 |") == 4 and "nan" not in text
    assert b"<svg" in (folder / "work" / "tag.svg").read_bytes()
    record = json.loads((folder / "work" / "result.json").read_text())
    assert record["utterances"]["train"]["utterances"] == 30 and record["layer"] == 3 and len(record["columns"]) == 13


def test_a_folder_belongs_to_the_contents_of_its_files(done, tmp_path):
    folder, settings = done
    moved = tmp_path / "moved.txt"
    moved.write_bytes((folder / "store.txt").read_bytes())
    before = (folder / "work" / "tag.csv").stat().st_mtime_ns
    tag.run(replace(settings, store=str(moved)), folder / "work")
    assert (folder / "work" / "tag.csv").stat().st_mtime_ns == before
    moved.write_text("other words\n")
    with pytest.raises(InputError, match="content of store"):
        tag.run(replace(settings, store=str(moved)), folder / "work")


@pytest.mark.slow
def test_the_generated_corpus_takes_no_files(tmp_path):
    tag.run(schema.Tag(), tmp_path)
    table = pd.read_csv(tmp_path / "tag.csv").set_index(["test", "features"])
    same = table.loc["same_services"]["span_f1"]
    assert same["vector"] > 0.9 and same["topology"] > 0.6 and same["vector+topology"] > 0.9
    assert len(table) == 16 and table.loc["other_services"]["seen_term_f1"].isna().all()


def test_the_topology_of_every_token_of_every_layer(tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(map(" ".join, miniature.load(train=30).train.words)) + "\n")
    settings = {"sequences": str(texts), "layers": "1,2", "neighbours": 8, "ranks": "1,4", "image": 2}
    topology.run(schema.Topology(model=str(BERT), masked=True, **settings), tmp_path / "out")
    model = topology.sources.load_perturbed(str(BERT), "", 0.0, 0)[0]
    clouds = sample(*model[:3], texts.read_text().splitlines(), layers=(1, 2), tokens="word", masked=True)
    for cloud in clouds:
        found = np.load(tmp_path / "out" / f"layer_{cloud.layer:02d}.npz")
        expected = local_topology(cloud.points, Datastore(cloud.points), 8, image=2, ks=(1, 4))
        np.testing.assert_allclose(found["features"], expected.features, atol=1e-4)
        assert found["columns"].tolist() == list(expected.names)
        np.testing.assert_array_equal(found["token_id"], cloud.token_id)
    table = pd.read_csv(tmp_path / "out" / "topology.csv").set_index(["layer", "feature"])
    assert table.loc[2, "codensity_1"]["mean"] == pytest.approx(found["features"][:, 0].mean(), rel=1e-4)
    assert table.index.get_level_values(0).tolist() == [1] * 7 + [2] * 7 and (table["undefined"] >= 0).all()
    assert (tmp_path / "out" / "layers.svg").exists()


def test_vectors_cannot_be_masked_without_a_mask(tmp_path):
    with pytest.raises(InputError, match="the model's tokenizer has none"):
        topology.run(schema.Topology(model=str(FIXTURES / "random-gpt2"), masked=True), tmp_path)
    with pytest.raises(InputError, match="the model's tokenizer has none"):
        tag.run(schema.Tag(model=str(FIXTURES / "random-gpt2"), masked=True), tmp_path)
