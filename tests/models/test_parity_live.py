"""Encoders beside the live PyTorch originals, in the same process (needs torch: the `peers` extra)."""

import importlib.util

import jax
import numpy as np
import pytest
from places import FIXTURES

from geojax.models import load, make_apply, save, with_head
from geojax.models.architectures import ARCHITECTURES

TEXTS = [
    "Vectors fill a narrow cone.",
    "No.",
    "It is the geometry of the space that we would like to know about, layer by layer.",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed (peers extra)"),
]


def compare(folder, model, original, name=None):
    """Every hidden state of a real token, and the logits, of our model and of the original in `folder`.

    The states behind the end of a text, which nothing reads, are left out: in float32 the original itself is up to
    1.2e-4 from its own float64 there, for MiniLM, and 4e-6 at real tokens.
    """
    import torch

    batch = model.tokenizer(TEXTS, padding=True)
    with torch.no_grad():
        inputs = {key: torch.tensor(value) for key, value in batch.items()}
        original = original.from_pretrained(folder, pad_token_id=model.config.pad_token_id).eval()
        expected = original(**inputs, output_hidden_states=True)
    with jax.default_matmul_precision("highest"):
        found = jax.jit(model.apply.__call__)(model.params, {key: np.asarray(value) for key, value in batch.items()})
    real = np.array(batch["attention_mask"], bool)
    for ours, theirs in zip(found["hidden_states"], expected.hidden_states, strict=True):
        np.testing.assert_allclose(np.asarray(ours)[real], theirs.numpy()[real], atol=2e-5, rtol=0)
    if name:
        ours, theirs = np.asarray(found["logits"]), logits(expected).numpy()
        if ours.ndim == 3:
            ours, theirs = ours[real], theirs[real]
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)


def logits(outputs):
    """The logits of a head; those of an answer's first and last token side by side."""
    import torch

    return torch.stack((outputs.start_logits, outputs.end_logits), -1) if "start_logits" in outputs else outputs.logits


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_random_checkpoints(family, tmp_path):
    import transformers

    style, folder = ARCHITECTURES[family], FIXTURES / f"random-{family}"
    classes = {head: getattr(transformers, style.class_of(head)) for head in (None, *style.heads)}
    for head in ("classification", style.language_model):
        compare(folder, load(folder, head=head), classes[head], head)
    if "token_classification" not in style.heads:
        return
    model = load(folder)
    for head, labels in (("token_classification", 5), ("question_answering", 2)):
        if head in style.heads:
            apply = make_apply(model.config, head, labels)
            saved = with_head(apply, {k: v for k, v in model.params.items() if k != "pooler"}, jax.random.key(0))
            save(tmp_path / head, apply, saved, model.tokenizer)
            compare(tmp_path / head, load(tmp_path / head, head=head), classes[head], head)


def test_real_weights_and_a_saved_model_with_a_head(minilm, minilm_folder, tmp_path):
    import transformers

    compare(minilm_folder, minilm, transformers.BertModel)
    apply = make_apply(minilm.config, "classification", 3)
    params = with_head(apply, minilm.params, jax.random.key(0))
    save(tmp_path / "saved", apply, params, minilm.tokenizer)
    again = load(tmp_path / "saved", head="classification")
    compare(tmp_path / "saved", again, transformers.BertForSequenceClassification, "c")
