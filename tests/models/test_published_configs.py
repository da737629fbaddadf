"""The `config.json` of published models, as they are on the hub, gives the shape that their papers state."""

import numpy as np
import pytest

from geojax.errors import InputError
from geojax.models.architectures.record import FULL, SLIDING
from geojax.models.config import from_record, to_record
from geojax.models.rope import Rope

LLAMA3 = {"factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
PUBLISHED = {
    "meta-llama/Llama-2-7b": (
        dict(
            model_type="llama", vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32,
            num_attention_heads=32, num_key_value_heads=32, max_position_embeddings=4096, rms_norm_eps=1e-5,
            hidden_act="silu", bos_token_id=1, eos_token_id=2, rope_scaling=None, tie_word_embeddings=False,
        ),
        dict(rope=Rope(10000.0), untied=True, pad_token_id=2, head_width=128, normalised=()),
    ),
    "meta-llama/Llama-3.2-1B-Instruct": (
        dict(
            model_type="llama", vocab_size=128256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16,
            num_attention_heads=32, num_key_value_heads=8, head_dim=64, max_position_embeddings=131072,
            rope_theta=500000.0, rope_scaling=LLAMA3 | {"rope_type": "llama3"}, tie_word_embeddings=True,
            eos_token_id=[128001, 128008, 128009], attention_bias=False, mlp_bias=False, rms_norm_eps=1e-5,
        ),
        dict(
            rope=Rope(500000.0, scaling="llama3", factor=32.0, low=1.0, high=4.0, original=8192), untied=False,
            pad_token_id=128001, key_value_heads=8, max_length=131072,
        ),
    ),
    "mistralai/Mistral-7B-v0.1": (
        dict(
            model_type="mistral", hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, sliding_window=4096,
            num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=32768, rope_theta=10000.0,
            vocab_size=32000, rms_norm_eps=1e-5, eos_token_id=2,
        ),
        dict(attention_types=(SLIDING,) * 32, sliding_window=4096, attention_bias=False),
    ),
    "mistralai/Mistral-7B-v0.3": (
        dict(
            model_type="mistral", hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, sliding_window=None,
            num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=32768, rope_theta=1e6,
            vocab_size=32768, rms_norm_eps=1e-5, eos_token_id=2,
        ),
        dict(attention_types=(FULL,) * 32, sliding_window=None, rope=Rope(1e6)),
    ),
    "Qwen/Qwen2.5-0.5B-Instruct": (
        dict(
            model_type="qwen2", hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
            num_key_value_heads=2, max_position_embeddings=32768, max_window_layers=21, sliding_window=32768,
            use_sliding_window=False, rope_theta=1e6, tie_word_embeddings=True, vocab_size=151936, eos_token_id=151645,
        ),
        dict(attention_types=(FULL,) * 24, attention_bias=True, head_width=64, pad_token_id=151645),
    ),
    "sentence-transformers/all-mpnet-base-v2": (
        dict(
            model_type="mpnet", hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
            hidden_act="gelu", layer_norm_eps=1e-5, max_position_embeddings=514, relative_attention_num_buckets=32,
            vocab_size=30527, bos_token_id=0, eos_token_id=2, pad_token_id=1,
        ),
        dict(max_length=512, relative_buckets=32, relative_distance=128, pad_token_id=1),
    ),
    "microsoft/deberta-v3-base": (
        dict(
            model_type="deberta-v2", hidden_size=768, num_hidden_layers=12, num_attention_heads=12, hidden_act="gelu",
            intermediate_size=3072, max_position_embeddings=512, relative_attention=True, position_buckets=256,
            norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p", layer_norm_eps=1e-7,
            max_relative_positions=-1, position_biased_input=False, type_vocab_size=0, vocab_size=128100,
        ),
        dict(relative_buckets=256, relative_distance=512, share_att_key=True, pad_token_id=0, max_length=512),
    ),
    "Qwen/Qwen3-0.6B": (
        dict(
            model_type="qwen3", hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16,
            num_key_value_heads=8, head_dim=128, max_position_embeddings=40960, max_window_layers=28, rope_theta=1e6,
            use_sliding_window=False, sliding_window=None, tie_word_embeddings=True, vocab_size=151936,
            eos_token_id=151645, attention_bias=False,
        ),
        dict(attention_types=(FULL,) * 28, head_width=128, attention_bias=False),
    ),
    "EleutherAI/pythia-70m": (
        dict(
            model_type="gpt_neox", hidden_size=512, intermediate_size=2048, num_hidden_layers=6, num_attention_heads=8,
            hidden_act="gelu", max_position_embeddings=2048, rotary_emb_base=10000, rotary_pct=0.25, vocab_size=50304,
            use_parallel_residual=True, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0, layer_norm_eps=1e-5,
        ),
        dict(rope=Rope(10000, partial=0.25), use_parallel_residual=True, untied=True, normalised=(6,)),
    ),
    "facebook/opt-125m": (
        dict(
            model_type="opt", hidden_size=768, ffn_dim=3072, num_hidden_layers=12, num_attention_heads=12,
            do_layer_norm_before=True, dropout=0.1, attention_dropout=0.0, activation_function="relu", vocab_size=50272,
            max_position_embeddings=2048, word_embed_proj_dim=768, pad_token_id=1, eos_token_id=2, init_std=0.02,
        ),
        dict(intermediate_size=3072, max_length=2048, untied=False, hidden_act="relu", layer_norm_eps=1e-5),
    ),
    "answerdotai/ModernBERT-base": (
        dict(
            model_type="modernbert", hidden_size=768, intermediate_size=1152, num_hidden_layers=22, vocab_size=50368,
            num_attention_heads=12, max_position_embeddings=8192, global_attn_every_n_layers=3, local_attention=128,
            global_rope_theta=160000.0, local_rope_theta=10000.0, norm_eps=1e-5, layer_norm_eps=1e-5, norm_bias=False,
            classifier_pooling="mean", hidden_activation="gelu", pad_token_id=50283, cls_token_id=50281,
            position_embedding_type="absolute", reference_compile=None, decoder_bias=True, classifier_bias=False,
        ),
        dict(
            rope=Rope(160000.0), local_rope=Rope(10000.0), sliding_window=64, feature="mean", normalised=(0, 22),
            attention_types=((FULL, SLIDING, SLIDING) * 8)[:22],
        ),
    ),
    "nomic-ai/nomic-embed-text-v1.5": (
        dict(
            model_type="nomic_bert", n_embd=768, n_head=12, n_inner=3072, n_layer=12, n_positions=8192,
            rotary_emb_base=1000, rotary_emb_fraction=1.0, rotary_emb_interleaved=False, vocab_size=30528,
            activation_function="swiglu", layer_norm_epsilon=1e-12, qkv_proj_bias=False, mlp_fc1_bias=False,
            mlp_fc2_bias=False, prenorm=False, parallel_block=False, type_vocab_size=2, use_rms_norm=False,
        ),
        dict(rope=Rope(1000), max_length=8192, attention_bias=False, hidden_act="silu", feature="pooled"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_config_is_read_and_written_again(name):
    record, expected = PUBLISHED[name]
    config = from_record(record)
    assert {field: getattr(config, field) for field in expected} == expected
    again = from_record(to_record(config))
    assert again == config or again == from_record(to_record(again))
    assert {field: getattr(again, field) for field in expected} == expected


@pytest.mark.parametrize(
    "record, message",
    [
        ({"model_type": "llama", "rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "'yarn' .* default, linear"),
        ({"model_type": "llama", "rope_scaling": {"type": "linear"}}, "of type linear lack factor"),
        ({"model_type": "llama", "rope_theta": "x"}, "rope_theta is 'x': it must be a number above 0"),
        ({"model_type": "llama", "rope_parameters": [1]}, "rope_parameters is .1.: it must be a record"),
        ({"model_type": "llama", "num_key_value_heads": 5}, "32 is not divisible by num_key_value_heads 5"),
        ({"model_type": "llama", "head_dim": 7}, "7 of 7 dimensions of a head are to be rotated"),
        ({"model_type": "llama", "eos_token_id": []}, "eos_token_id is .., and there is no pad_token_id"),
        ({"model_type": "opt", "do_layer_norm_before": False}, "do_layer_norm_before False .* with True only"),
        ({"model_type": "opt", "word_embed_proj_dim": 512}, r"word_embed_proj_dim differ \(768, 512\)"),
        ({"model_type": "modernbert", "layer_types": ["full_attention"]}, "names 1 layers, and num_hid"),
        ({"model_type": "modernbert", "layer_types": ["chunked"] * 22}, "layer_types has chunked: geojax has full_att"),
        ({"model_type": "modernbert", "classifier_pooling": "max"}, "'max' is not supported: geojax has cls and mean"),
        ({"model_type": "nomic_bert", "prenorm": True}, "prenorm True .* with False only"),
        ({"model_type": "mamba"}, "geojax has bert, .*, and --config.backend=torch samples any HuggingFace model"),
    ],
)  # fmt: skip
def test_what_geojax_does_not_compute_is_named(record, message):
    with pytest.raises(InputError, match=message):
        from_record(record)


def test_frequencies_of_llama_3_are_divided_where_waves_are_long():
    """Wavelengths below a quarter of the original length stay; those above it are divided by the factor."""
    plain, scaled = Rope(500000.0), Rope(500000.0, scaling="llama3", factor=32.0, low=1.0, high=4.0, original=8192)
    before, after = plain.frequencies(64), scaled.frequencies(64)
    assert before[0] == 1 and before[16] == pytest.approx(500000**-0.5)
    waves = 2 * np.pi / before
    short, long = waves < 8192 / 4, waves > 8192
    np.testing.assert_array_equal(after[short], before[short])
    np.testing.assert_allclose(after[long], before[long] / 32, rtol=1e-6)
    between = ~short & ~long
    assert between.any() and ((after < before) & (after > before / 32))[between].all()
