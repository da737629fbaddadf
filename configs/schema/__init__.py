"""The settings of every experiment: one dataclass each, composed of the sections that experiments share.

A field is set from the command line by `--config.FIELD=VALUE`. Several values are written with commas:
`--config.measures=eee,vrm`.

`--help` lists the fields in the order of the constructor's arguments: the inputs of an experiment, its own fields, then
the keyword-only fields. Of several base classes the last comes first. A field of a section is repeated where its
default differs, with a comment where its meaning differs too.
"""

from configs.schema.in_context import InContext
from configs.schema.initialise import Initialise
from configs.schema.measuring import Compare, Measure, Plan, Rank, Sample, SpreadStudy, Topology, Translate
from configs.schema.models import ConvertCheckpoint, Distill, Finetune, Pretrain, PretrainCorpus, Regularize, Surgery
from configs.schema.results import Benchmark, Findings, Replication, ScoreMeasure, SideBySide
from configs.schema.scores import Predict, Regress, Study, Tag

__all__ = [
    "Benchmark",
    "Compare",
    "ConvertCheckpoint",
    "Distill",
    "Findings",
    "Finetune",
    "InContext",
    "Initialise",
    "Measure",
    "Plan",
    "Predict",
    "Pretrain",
    "PretrainCorpus",
    "Rank",
    "Regress",
    "Regularize",
    "Replication",
    "Sample",
    "ScoreMeasure",
    "SideBySide",
    "SpreadStudy",
    "Study",
    "Surgery",
    "Tag",
    "Topology",
    "Translate",
]
