"""Random models of the newer types beside the live PyTorch originals, padded on either side (needs torch)."""

import importlib.util

import jax
import numpy as np
import pytest

from geojax.models import make_apply
from geojax.models.config import read_config
from geojax.models.tensor_files import read_tensors
from geojax.models.weights import infer_apply, load_params

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed (peers extra)"),
]

SIZES = dict(
    vocab_size=40, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48,
    max_position_embeddings=64, initializer_range=0.1, pad_token_id=0, bos_token_id=1, eos_token_id=2, num_labels=3,
)  # fmt: skip
LLAMA3 = dict(
    rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=16,
)  # fmt: skip
DISTANCES = dict(
    relative_attention=True, pos_att_type="p2c|c2p", norm_rel_ebd="layer_norm", position_biased_input=False,
    type_vocab_size=0,
)  # fmt: skip
LINEAR = dict(rope_type="linear", rope_theta=500.0, factor=4.0)
VARIANTS = {
    "grouped queries, scaled as Llama 3": ("Llama", dict(num_key_value_heads=2, rope_parameters=LLAMA3)),
    "biases, tied": ("Llama", dict(attention_bias=True, mlp_bias=True, tie_word_embeddings=True)),
    "one key for all queries, wide heads": ("Llama", dict(num_key_value_heads=1, head_dim=16, rope_parameters=LINEAR)),
    "a window": ("Mistral", dict(num_key_value_heads=2, sliding_window=5)),
    "no window": ("Mistral", dict(num_key_value_heads=4, sliding_window=None, head_dim=12)),
    "windows above": (
        "Qwen2", dict(num_key_value_heads=2, use_sliding_window=True, sliding_window=4, max_window_layers=1),
    ),
    "norms of queries and keys": ("Qwen3", dict(num_key_value_heads=2, head_dim=16, attention_bias=True)),
    "parallel residuals": ("GPTNeoX", dict()),
    "residuals in turn": (
        "GPTNeoX", dict(use_parallel_residual=False, attention_bias=False, rotary_pct=1.0, tie_word_embeddings=True),
    ),
    "positions of the mask": ("OPT", dict(ffn_dim=48, word_embed_proj_dim=32, init_std=0.1)),
    "no biases": (
        "OPT", dict(ffn_dim=48, word_embed_proj_dim=32, enable_bias=False, activation_function="gelu"),
    ),
    "local and global": ("ModernBert", dict(local_attention=6, num_hidden_layers=4)),
    "biases, mean": (
        "ModernBert",
        dict(
            local_attention=10, attention_bias=True, mlp_bias=True, norm_bias=True, classifier_pooling="mean",
            global_attn_every_n_layers=2,
        ),
    ),
    "post-norm": ("NomicBert", dict()),
    "a bias for every head": ("MPNet", dict(pad_token_id=1, bos_token_id=0)),
    "distances in buckets": ("DebertaV2", DISTANCES | dict(share_att_key=True, position_buckets=8)),
    "distances with maps of their own": (
        "DebertaV2", DISTANCES | dict(share_att_key=False, position_buckets=16, max_relative_positions=30),
    ),
    "each distance": ("DebertaV2", DISTANCES | dict(share_att_key=True, max_relative_positions=20)),
}  # fmt: skip
LENGTHS = (40, 23, 7)
IDS = np.random.default_rng(0).integers(3, 40, (3, 40))


def padded(side, pad):
    """The texts, padded on a side with a token."""
    mask = np.arange(40) < np.array(LENGTHS)[:, None]
    mask = mask if side == "right" else mask[:, ::-1]
    ids = np.full_like(IDS, pad)
    ids[mask] = np.concatenate([row[:length] for row, length in zip(IDS, LENGTHS, strict=True)])
    return {"input_ids": ids, "attention_mask": mask.astype(np.int64)}


def original(classes, options):
    """A random original with a classification head, biases and scales away from 0 and 1."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{classes}Config")(**SIZES | options, attn_implementation="eager")
    model = getattr(transformers, f"{classes}ForSequenceClassification")(config).eval()
    for name, value in model.named_parameters():
        if value.ndim == 1:
            torch.nn.init.normal_(value, 1.0 if name.endswith("weight") else 0.0, 0.2)
    return model


@pytest.mark.parametrize("name", VARIANTS)
def test_states_and_logits(name, tmp_path):
    import torch

    theirs = original(*VARIANTS[name])
    theirs.save_pretrained(tmp_path, max_shard_size="30KB")  # several files
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    config = read_config(tmp_path)
    tensors = read_tensors(tmp_path, config.architecture.prefix)
    pooler, labels = infer_apply(config, "classification", tensors)
    apply = make_apply(config, "classification", labels, pooler=pooler)
    params, run = load_params(tmp_path, apply, tensors, head=True), jax.jit(apply.__call__)
    for side in ("right", "left"):
        batch = padded(side, config.pad_token_id)
        with torch.no_grad():
            expected = theirs(**{key: torch.tensor(value) for key, value in batch.items()}, output_hidden_states=True)
        with jax.default_matmul_precision("highest"):
            found = run(params, batch)
        real = batch["attention_mask"].astype(bool)
        for ours, states in zip(found["hidden_states"], expected.hidden_states, strict=True):
            np.testing.assert_allclose(np.asarray(ours)[real], states.numpy()[real], atol=2e-5, rtol=0)
        if side == "right" or config.architecture.causal or config.feature == "mean":
            # The original of an encoder classifies padding where it stands first.
            np.testing.assert_allclose(found["logits"], expected.logits.numpy(), atol=1e-4, rtol=0)
