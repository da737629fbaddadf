"""Relative positions of MPNet and DeBERTa: the buckets, the names in files, and what is refused."""

import importlib.util
import json
import shutil

import jax
import numpy as np
import pytest
from places import FIXTURES
from safetensors.numpy import load_file, save_file

from geojax.errors import InputError
from geojax.models import load
from geojax.models.config import from_record
from geojax.models.relative import of_deberta, of_t5

MPNET = {"model_type": "mpnet", "pad_token_id": 1}
DEBERTA = json.loads((FIXTURES / "random-deberta-v2" / "config.json").read_text())


def with_torch(test):
    missing = importlib.util.find_spec("torch") is None
    return pytest.mark.slow(pytest.mark.skipif(missing, reason="torch is not installed (peers extra)")(test))


def test_buckets_of_mpnet_are_exact_below_eight_and_end_at_128():
    behind = np.array([0, 1, 7, 8, 11, 16, 90, 91, 127, 128, 500, -1, -7, -8, -128])
    assert of_t5(behind, 32, 128).tolist() == [0, 1, 7, 8, 8, 10, 14, 15, 15, 15, 15, 17, 23, 24, 31]


def test_rows_of_deberta_are_exact_up_to_half_of_the_buckets_and_end_at_the_farthest():
    behind = np.array([0, 1, 128, 129, 511, 900, -1, -128, -129, -511])
    rows = of_deberta(behind, 256, 512)
    assert rows.tolist() == [256, 257, 384, 385, 511, 511, 255, 128, 127, 1]
    assert of_deberta(np.array([0, 19, 20, -20, -21]), None, 20).tolist() == [20, 39, 39, 0, 0]
    every = of_deberta(np.arange(-511, 512), 256, 512)
    assert (np.diff(every) >= 0).all()


@with_torch
def test_all_buckets_are_those_of_transformers():
    import torch
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    behind = np.arange(-2047, 2048)
    expected = MPNetEncoder.relative_position_bucket(torch.from_numpy(-behind)).numpy()
    np.testing.assert_array_equal(of_t5(behind, 32, 128), expected)
    for buckets, farthest in ((256, 512), (8, 96), (128, 1024), (256, 2048)):
        theirs = make_log_bucket_position(torch.from_numpy(behind), buckets, farthest).long() + buckets
        np.testing.assert_array_equal(of_deberta(behind, buckets, farthest), theirs.clamp(0, 2 * buckets - 1).numpy())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"relative_attention": None}, "relative_attention False is not supported: geojax has deberta-v2 with True"),
        ({"position_biased_input": True}, "position_biased_input True is not supported"),
        ({"conv_kernel_size": 3}, "conv_kernel_size 3 is not supported: .* --config.backend=torch samples any"),
        ({"type_vocab_size": 2}, "type_vocab_size 2 is not supported"),
        ({"pos_att_type": "c2p"}, "pos_att_type is .'c2p'.: geojax has deberta-v2 with p2c and c2p only"),
        ({"embedding_size": 8}, "embedding_size is 8: geojax has deberta-v2 with hidden_size, 16"),
        ({"position_buckets": 2}, "2 buckets for distances up to 96"),
        (MPNET | {"relative_attention_num_buckets": 64}, "relative_attention_num_buckets 64 is not supported"),
        ({"model_type": "deberta"}, "model type 'deberta' is not supported: .* --config.backend=torch samples any"),
    ],
)
def test_variants_that_geojax_lacks_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        from_record(DEBERTA | change)


def test_the_head_of_version_3_has_another_name_and_what_is_not_read_is_left_out(tmp_path):
    folder = shutil.copytree(FIXTURES / "random-deberta-v2", tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    renamed = {
        name.replace("cls.predictions.transform.", "lm_predictions.lm_head.").replace(
            "cls.predictions.", "lm_predictions.lm_head."
        ): value
        for name, value in tensors.items()
    }
    assert "lm_predictions.lm_head.bias" in renamed and "lm_predictions.lm_head.dense.weight" in renamed
    others = ("mask_predictions.dense.weight", "deberta.embeddings.position_embeddings.weight")
    save_file(renamed | {name: np.zeros((2, 2), np.float32) for name in others}, folder / "model.safetensors")
    found, expected = load(folder, head="masked_lm"), load(FIXTURES / "random-deberta-v2", head="masked_lm")
    assert jax.tree.all(jax.tree.map(np.array_equal, found.params, expected.params))
