"""A decoder and ModernBERT learn a miniature task from scratch."""

import jax
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from geojax import models as encoders
from geojax.data.glue import miniature
from geojax.models.config import from_record
from geojax.training import finetune
from geojax.training.settings import Settings

SIZES = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64,
    max_position_embeddings=32, pad_token_id=0, initializer_range=0.1,
)  # fmt: skip


def words_of(data):
    """A tokenizer of the words of a task."""
    splits = (data.train, *data.dev.values())
    words = {word for split in splits for column in (split.text_a, split.text_b) for t in column for word in t.split()}
    vocab = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted(words)])}
    made = Tokenizer(models.WordLevel(vocab, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
    return PreTrainedTokenizerFast(tokenizer_object=made, **special)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "modernbert"])
def test_it_learns_more_than_words_alone_tell(family):
    """A linear model of the words reaches a correlation of about 0.3 (`miniature`), chance 0."""
    data = miniature.load("mini_similarity", train=512, dev=128)
    tokenizer = words_of(data)
    config = from_record({"model_type": family, "vocab_size": len(tokenizer)} | SIZES)
    apply = encoders.make_apply(config, "classification", data.task.num_labels)
    model = encoders.Model(apply, encoders.init(apply, jax.random.key(0)), tokenizer, config)
    settings = Settings(epochs=6, learning_rate=5e-3, batch_size=32, max_length=24)
    assert finetune.finetune(model, data, settings)[1]["score"] > 0.45
