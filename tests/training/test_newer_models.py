"""A decoder, ModernBERT, MPNet, DeBERTa and Nomic's BERT learn a miniature task from scratch."""

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
DISTANCES = dict(
    relative_attention=True, pos_att_type="p2c|c2p", norm_rel_ebd="layer_norm", position_biased_input=False,
    share_att_key=True, position_buckets=8,
)  # fmt: skip
STATED = {"llama": {}, "modernbert": {}, "mpnet": {"pad_token_id": 1}, "deberta-v2": DISTANCES, "nomic_bert": {}}


def words_of(data, pad):
    """A tokenizer of the words of a task, with the id of the padding token."""
    splits = (data.train, *data.dev.values())
    words = {word for split in splits for column in (split.text_a, split.text_b) for t in column for word in t.split()}
    first = ("[UNK]", "[PAD]") if pad else ("[PAD]", "[UNK]")
    vocab = {token: i for i, token in enumerate([*first, "[CLS]", "[SEP]", *sorted(words)])}
    made = Tokenizer(models.WordLevel(vocab, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
    return PreTrainedTokenizerFast(tokenizer_object=made, **special)


@pytest.mark.slow
@pytest.mark.parametrize("family", STATED)
def test_it_learns_more_than_words_alone_tell(family):
    """A linear model of the words reaches a correlation of about 0.3 (`miniature`), chance 0."""
    data = miniature.load("mini_similarity", train=512, dev=128)
    stated = SIZES | STATED[family]
    tokenizer = words_of(data, stated["pad_token_id"])
    config = from_record({"model_type": family, "vocab_size": len(tokenizer)} | stated)
    apply = encoders.make_apply(config, "classification", data.task.num_labels)
    model = encoders.Model(apply, encoders.init(apply, jax.random.key(0)), tokenizer, config)
    epochs = 6 if config.architecture.pre_norm else 30  # with norms behind the layers learning begins late
    settings = Settings(epochs=epochs, learning_rate=5e-3, batch_size=32, max_length=24, warmup=0.2)
    assert finetune.finetune(model, data, settings)[1]["score"] > 0.45
