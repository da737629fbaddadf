"""The model types that geojax reads: a record of each, with its computation and HuggingFace's names of its parts."""

from collections.abc import Mapping

from geojax.models.architectures.albert import ALBERT
from geojax.models.architectures.bert import BERT, CAMEMBERT, ELECTRA, ROBERTA, XLM_ROBERTA
from geojax.models.architectures.deberta import DEBERTA_V2
from geojax.models.architectures.distilbert import DISTILBERT
from geojax.models.architectures.gpt2 import GPT2
from geojax.models.architectures.gpt_neox import GPT_NEOX
from geojax.models.architectures.llama import LLAMA, MISTRAL, QWEN2, QWEN3
from geojax.models.architectures.modernbert import MODERNBERT
from geojax.models.architectures.mpnet import MPNET
from geojax.models.architectures.nomic_bert import NOMIC_BERT
from geojax.models.architectures.opt import OPT
from geojax.models.architectures.record import Architecture

__all__ = ["ARCHITECTURES", "Architecture"]

ARCHITECTURES: Mapping[str, Architecture] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": XLM_ROBERTA,
    "camembert": CAMEMBERT,
    "distilbert": DISTILBERT,
    "electra": ELECTRA,
    "albert": ALBERT,
    "mpnet": MPNET,
    "deberta-v2": DEBERTA_V2,
    "gpt2": GPT2,
    "llama": LLAMA,
    "mistral": MISTRAL,
    "qwen2": QWEN2,
    "qwen3": QWEN3,
    "gpt_neox": GPT_NEOX,
    "opt": OPT,
    "modernbert": MODERNBERT,
    "nomic_bert": NOMIC_BERT,
}
