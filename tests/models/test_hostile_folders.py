"""Model folders with random damage: each is refused in one sentence or means what it says, and none ends in a trace."""

import json
import random
import shutil

import numpy as np
import pytest
from places import FIXTURES
from safetensors.numpy import load_file

from geojax.errors import InputError
from geojax.models import make_apply
from geojax.models.architectures import ARCHITECTURES
from geojax.models.config import read_config
from geojax.models.tensor_files import read_tensors
from geojax.models.tokenizer import load_tokenizer
from geojax.representations import forward

VALUES = [None, -1, 0, 1, 3, 1.5, "x", "", [], {}, True, float("nan"), 1e300, 10**30, "bert", [1], {"a": 1}]


def damaged(record, chance):
    """A record with one value replaced, taken out or damaged in turn."""
    if isinstance(record, (dict, list)) and record and chance.random() < 0.8:
        place = chance.choice(list(record)) if isinstance(record, dict) else chance.randrange(len(record))
        if chance.random() < 0.15:
            record.pop(place)
        else:
            record[place] = damaged(record[place], chance)
        return record
    return chance.choice(VALUES)


def refused(work):
    """Whether a call ends in an InputError of one line; any other exception goes on."""
    try:
        work()
    except InputError as error:
        assert "\n" not in str(error)
        return True
    return False


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_configs(family, tmp_path):
    chance, outcomes = random.Random(family), []
    text = (FIXTURES / f"random-{family}" / "config.json").read_text()
    for _ in range(40):
        (tmp_path / "config.json").write_text(json.dumps(damaged(json.loads(text), chance)))
        outcomes.append(refused(lambda: make_apply(read_config(tmp_path))))
    assert 0 < sum(outcomes) < 40


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_tokenizers(family, tmp_path):
    chance, folder, seen = random.Random(family), tmp_path / family, 0
    whole = FIXTURES / f"random-{family}"
    apply = make_apply(read_config(whole))
    ids = load_tokenizer(whole, apply.config).get_vocab()
    for name in ("tokenizer.json", "tokenizer.json", "tokenizer.json", "tokenizer_config.json") * 8:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder, ignore=lambda *_: ["model.safetensors", "reference.npz"])
        record = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(damaged(record, chance)))

        def work():
            tokenizer = load_tokenizer(folder, apply.config)
            encoded = forward.encode(apply, tokenizer, ["the cat", "a b?"], "all", allow_unknown=True)
            for row in encoded.ids:
                assert max(row, default=0) < apply.config.vocab_size
            known = {token: number for token, number in tokenizer.get_vocab().items() if token in ids}
            assert len(known) >= len(ids) // 2

        seen += refused(work)
    assert seen


def test_tensor_files(tmp_path):
    chance, path, outcomes = random.Random(0), tmp_path / "model.safetensors", []
    data = (FIXTURES / "random-bert" / "model.safetensors").read_bytes()
    before = load_file(FIXTURES / "random-bert" / "model.safetensors")
    header = 8 + int.from_bytes(data[:8], "little")
    for _ in range(100):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 5))):
            changed[chance.randrange(header)] = chance.randrange(256)
        path.write_bytes(changed[: chance.randrange(len(data))] if chance.random() < 0.3 else changed)

        def work():
            found = read_tensors(tmp_path)
            same = [name for name in found if name in before and found[name].shape == before[name].shape]
            assert len(same) > len(before) - 10  # a changed name or shape is for `load_params` to name
            assert sum(not np.array_equal(found[name], before[name]) for name in same) <= 10

        outcomes.append(refused(work))
    assert 50 < sum(outcomes)
