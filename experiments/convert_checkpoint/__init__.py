"""Conversion of checkpoints that geojax does not read into model folders: pickled ones, fairseq's RoBERTa, ONNX."""

from experiments.convert_checkpoint.command import convert, run
from experiments.convert_checkpoint.fairseq import check_vocabulary

__all__ = ["check_vocabulary", "convert", "run"]
