"""Tags terms by fixed features of each word: vectors, local topology, both; scores with paired intervals."""

import dataclasses
import logging
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from configs import schema
from configs.lists import integers, names
from experiments.common import local, tag_table
from experiments.common.identity import identity
from geojax import models
from geojax.data.terms import files, miniature
from geojax.data.terms.scores import spans
from geojax.errors import InputError
from geojax.evaluation.uncertainty import check_level
from geojax.ops.diagrams import ImageRange
from geojax.representations import read_sequences
from geojax.runtime import folders, records
from geojax.runtime.progress import ProgressLine
from geojax.runtime.run_once import PARTS, kept, once
from geojax.topology import Datastore
from geojax.topology.local import Shown
from geojax.training import tagging
from geojax.training.optimizers import Rates

VECTOR = tag_table.REFERENCE
BLOCKS = (VECTOR, *local.BLOCKS, "topology", "shuffled")
ALL = (VECTOR, "codensity", "wasserstein", "images", "topology")
ALL += ("vector+codensity", "vector+topology", "vector+shuffled")
TRAIN, STORE = "train", "store"

log = logging.getLogger(__name__)

Blocks = dict[str, Float[np.ndarray, "n d"]]


def run(config: schema.Tag, workdir: PurePath) -> None:
    """Writes `tag.csv`, `tag.md`, `tag.svg` and `result.json`; a run that is started again takes what exists.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; files that cannot be read.
    """
    workdir = folders.path(workdir)
    check(config)
    once(workdir, identity(config), partial(make, config, workdir), "result.json")
    log.info("%s", tag_table.brief(records.read_json(workdir / "result.json")))


def check(config: schema.Tag) -> None:
    """Raises an InputError for settings that cannot work, before any slow step."""
    local.check(config)
    sets_of(config)
    for name, least in (("seeds", 1), ("steps", 1), ("hidden_size", 1), ("batch_size", 1)):
        if getattr(config, name) < least:
            raise InputError(f"{name} is {getattr(config, name)}: it must be at least {least}")
    if not (config.learning_rate > 0 and config.weight_decay >= 0):
        raise InputError(
            f"learning_rate is {config.learning_rate} and weight_decay {config.weight_decay}: give a rate above 0 and "
            "a decay from 0 on"
        )
    check_level(config.level)
    if bool(config.train) != bool(config.tests):
        raise InputError("--config.train and --config.tests go together: give both, or neither for a generated corpus")
    if config.store and not config.train:
        raise InputError("--config.store is for --config.train: the generated corpus is its own datastore")
    if not integers(config.labels) or min(integers(config.labels)) < 0:
        raise InputError(f"labels {config.labels!r}: give numbers of training utterances, 0 for all")


def sets_of(config: schema.Tag) -> tuple[str, ...]:
    """The sets of features, first the vector alone, which the others are compared with."""
    found = ALL if config.features == "all" else names(config.features)
    for one in found:
        unknown = [block for block in one.split("+") if block not in BLOCKS]
        if unknown or len(set(one.split("+"))) < len(one.split("+")):
            raise InputError(f"features {one!r}: join different blocks of {', '.join(BLOCKS)} by +")
    if not found:
        raise InputError("no features are named: give all, or sets such as vector,vector+topology")
    return tuple(dict.fromkeys((VECTOR, *found)))


def corpus_of(config: schema.Tag) -> dict[str, files.Utterances]:
    """The training utterances, as "train", and the utterances of every test by the name of its file.

    Raises:
      InputError: a file that cannot be read, or two tests with one name.
    """
    if not config.train:
        return miniature.load(seed=config.seed)._asdict()
    tests = {Path(name).stem: name for name in names(config.tests)}
    if len(tests) < len(names(config.tests)) or {TRAIN, STORE} & tests.keys():
        raise InputError(f"tests {config.tests!r}: give every file a name of its own, none of them {TRAIN} or {STORE}")
    return {TRAIN: files.read(config.train)} | {name: files.read(path) for name, path in tests.items()}


def make(config: schema.Tag, workdir: PurePath) -> None:
    """Finds the features, trains the taggers, and writes the files."""
    start = time.perf_counter()
    corpus = corpus_of(config)
    if not (corpus[TRAIN].tags == files.B).any():
        raise InputError("the training utterances have no term")
    vectors, corpus, about = vectors_of(config, corpus, workdir / PARTS)
    blocks, columns = blocks_of(config, vectors, workdir / PARTS)
    sizes = sizes_of(config, len(corpus[TRAIN]))
    drawn = draws(corpus[TRAIN], sizes, config)
    predicted, dims = {}, {}
    with ProgressLine("tagging", "sets of features") as moved:
        for place, one in enumerate(sets_of(config)):
            features = {name: np.hstack([own[block] for block in one.split("+")]) for name, own in blocks.items()}
            dims[one] = features[TRAIN].shape[1]
            path = workdir / PARTS / f"{one}.json"
            predicted[one] = kept(path, partial(predictions, config, features, corpus, drawn), sizes)
            moved(place + 1, len(sets_of(config)))
    tests = {name: own for name, own in corpus.items() if name != TRAIN}
    seen = {size: [terms_of(corpus[TRAIN], chosen) for chosen in own] for size, own in drawn.items()}
    rows = tag_table.rows(tests, predicted, seen, dims, config)
    record = about | {
        "config": dataclasses.asdict(config),
        "columns": columns,
        "rows": rows,
        "utterances": {name: facts(own) for name, own in corpus.items()},
        "seconds": time.perf_counter() - start,
        "versions": records.versions(),
    }
    tag_table.write(workdir, rows, record)


def facts(utterances: files.Utterances) -> dict[str, int]:
    """The size of a set of utterances."""
    terms = set(spans(utterances, utterances.tags).terms)
    counts = {"words": len(utterances.tags), "B": int((utterances.tags == files.B).sum())}
    counts |= {"I": int((utterances.tags == files.I).sum()), "terms": len(terms), "repaired": utterances.repaired}
    return {"utterances": len(utterances)} | counts


def sizes_of(config: schema.Tag, most: int) -> dict[str, int]:
    """The numbers of training utterances by their names; those above all there are stand for all."""
    wanted = [size or most for size in integers(config.labels)]
    if large := [size for size in wanted if size > most]:
        log.warning("there are %d training utterances, and labels asks for %s", most, ", ".join(map(str, large)))
    return {str(size): size for size in sorted({min(size, most) for size in wanted})}


def vectors_of(
    config: schema.Tag, corpus: Mapping[str, files.Utterances], parts: PurePath
) -> tuple[dict[str, np.ndarray], dict[str, files.Utterances], dict[str, Any]]:
    """The vectors of all words and of the datastore, the utterances as far as the model reads them, and its facts."""
    texts = {name: own.words for name, own in corpus.items()} | {STORE: store_words(config)}
    model = models.load(config.model, revision=config.revision or None)
    about = {"model": config.model, "revision": models.resolve(config.model, config.revision or None).revision}
    vectors, cut = {}, dict(corpus)
    for name, words in texts.items():
        if not words:
            continue
        cloud = local.cloud_of_words(model, words, config, f"words of {name}", parts / f"{name}.safetensors")
        vectors[name] = cloud.points
        about = {"layer": cloud.layer, "provenance": {}} | about
        about["provenance"][name] = cloud.provenance
        if name in corpus and cloud.provenance["truncated"]:
            lengths = np.bincount(cloud.sequence_index, minlength=len(words))
            log.warning("%s: utterances longer than the model takes were cut: %d", name, cloud.provenance["truncated"])
            cut[name] = corpus[name].cut(lengths)
    vectors.setdefault(STORE, vectors[TRAIN])
    return vectors, cut, about


def store_words(config: schema.Tag) -> list[list[str]]:
    """The words of the datastore; none where the training utterances are the datastore."""
    if config.store.endswith(".txt"):
        return [line.split() for line in read_sequences(config.store)]
    return files.read(config.store).words if config.store else []


def blocks_of(
    config: schema.Tag, vectors: Mapping[str, np.ndarray], parts: PurePath
) -> tuple[dict[str, Blocks], list[str]]:
    """The standardised blocks of features of every set of utterances, and the names of the features of topology."""
    queries = {name: own for name, own in vectors.items() if name != STORE}
    standard = tagging.Standard.of(queries[TRAIN])
    if sets_of(config) == (VECTOR,):
        return {name: {VECTOR: standard(own)} for name, own in queries.items()}, []
    columns, topology = topology_of(config, queries, vectors[STORE], parts)
    of_topology = tagging.Standard.of(topology[TRAIN])
    rng, found = np.random.default_rng(config.seed), {}
    for name, own in queries.items():
        values = of_topology(topology[name])
        found[name] = {VECTOR: standard(own), "topology": values, "shuffled": rng.permutation(values)}
        for block in local.BLOCKS:
            found[name][block] = values[:, [local.block_of(column) == block for column in columns]]
    return found, columns


def topology_of(
    config: schema.Tag, queries: Mapping[str, np.ndarray], vectors: np.ndarray, parts: PurePath
) -> tuple[list[str], dict[str, np.ndarray]]:
    """The names and values of the features of topology; images show what those of training show."""
    store, shown, found = Datastore(vectors), None, {}
    with ProgressLine("local topology", "words") as moved:
        for name, own in queries.items():  # the training words first
            path = parts / f"topology_{name}.npz"
            if (arrays := records.whole_arrays(path)) is None:
                of_set = local.topology_of(own, store, config, name, shown=shown)
                arrays = {"features": of_set.features, "names": np.array(of_set.names), "shown": np.array(of_set.shown)}
                records.write_arrays(path, **arrays)
            shown = Shown(*(ImageRange(*ends) for ends in arrays["shown"].tolist()))
            found[name] = arrays["features"]
            moved(sum(map(len, found.values())), sum(map(len, queries.values())))
    return arrays["names"].tolist(), found


def draws(train: files.Utterances, sizes: Mapping[str, int], config: schema.Tag) -> dict[str, list[np.ndarray]]:
    """The training utterances of every size and seed: the first ones of one random order a seed."""
    orders = [np.random.default_rng([config.seed, seed]).permutation(len(train)) for seed in range(config.seeds)]
    return {name: [order[:size] for order in orders] for name, size in sizes.items()}


def terms_of(train: files.Utterances, chosen: np.ndarray) -> frozenset[str]:
    """The terms of some utterances."""
    found, chosen = spans(train, train.tags), set(chosen.tolist())
    return frozenset(term for term, place in zip(found.terms, found.utterance, strict=True) if place in chosen)


def predictions(
    config: schema.Tag,
    features: Mapping[str, np.ndarray],
    corpus: Mapping[str, files.Utterances],
    drawn: Mapping[str, list[np.ndarray]],
) -> dict[str, dict[str, list[str]]]:
    """The tags, as letters, of every size, test and seed."""
    train = corpus[TRAIN]
    keys = jax.random.split(jax.random.key(config.seed), config.seeds)
    rates = Rates(config.learning_rate, config.weight_decay, config.steps)
    on_device, tags = jax.device_put(features[TRAIN]), jax.device_put(train.tags.astype(np.int32))
    found: dict[str, dict[str, list[str]]] = {}
    for size, chosen in drawn.items():
        words = [np.flatnonzero(np.isin(train.index, own)) for own in chosen]
        rows = np.stack([tagging.batches(own, config.steps, config.batch_size, seed) for seed, own in enumerate(words)])
        params = tagging.train(on_device, tags, rows, keys, rates, hidden=config.hidden_size, labels=len(files.TAGS))
        found[size] = {
            name: [letters(row) for row in np.asarray(tagging.predict(params, features[name]))]
            for name in corpus
            if name != TRAIN
        }
    return found


def letters(codes: np.ndarray) -> str:
    """Codes of tags as letters."""
    return "".join(np.array(list(files.TAGS))[codes])
