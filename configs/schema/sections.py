"""Sections of settings that several experiments share: the other files of this folder compose the experiments of them.

`--help` lists the fields of a keyword-only section after an experiment's own fields, and the fields of any other
section before them.
"""

from dataclasses import dataclass


@dataclass
class Model:
    """A model."""

    model: str = ""  # HuggingFace name, local folder, or the name of an encoder that ships with geojax


@dataclass
class ModelRevision(Model):
    """One state of a model."""

    revision: str = ""  # branch, tag or commit on the hub; empty: the default branch


@dataclass
class NoisedModel(ModelRevision):
    """A model with noise on its weights."""

    alpha: float = 0.0  # percent of noise added to the encoder's weights before anything else
    noise_seed: int = 0  # seed of that noise


@dataclass
class CloudFile:
    """Points sampled beforehand, in place of a model."""

    cloud: str = ""  # .npy file, float array n x d, or a file of configs/sample.py: measured instead of a model
    sequence_index: str = ""  # .npy file, int array n: the sequence that each row of the cloud belongs to


@dataclass
class Corpus:
    """Text to pre-train on."""

    text: str = ""  # text files to pre-train on, one paragraph a line: "a.txt,b.txt"
    eval_text: str = ""  # held-out text for the loss that is reported


@dataclass
class ScoreTable:
    """A table of models with their measures and scores."""

    table: str = ""  # results.csv of a replication
    target: str = "outcome"  # the column to predict


@dataclass(kw_only=True)
class Texts:
    """Sequences that a model reads."""

    sequences: str = ""  # text file, one sequence a line; "miniature": generated; empty: the set that ships with geojax


@dataclass(kw_only=True)
class FirstTexts(Texts):
    """The first sequences of a file."""

    max_sequences: int = 0  # number of sequences read, from the first on; 0: all


@dataclass(kw_only=True)
class Sampling(Texts):
    """Points of one layer."""

    tokens: str = "all"  # all, content (not special), word (first piece), cls, last, mean, max or sentence_transformers
    allow_unknown: bool = False  # go on where the tokenizer does not know more than half of the tokens


@dataclass(kw_only=True)
class LayerSampling(Sampling):
    """Points of several layers."""

    layers: str = "last"  # "last", "all", or indices of hidden states (0 is the embeddings): "0,3,6"
    backend: str = "jax"  # "jax": geojax's modules; "torch": the model's own PyTorch class, for any type on the hub
    parameters: str = "float32"  # type in which a model's kernels are held; bfloat16: half the memory, states differ


@dataclass(kw_only=True)
class LocalTopology:
    """Features of the neighbourhood of a token vector (arXiv 2408.03706)."""

    neighbours: int = 50  # n, nearest vectors of the datastore; with degree 1 at most 128
    degrees: str = "0,1"  # degrees of persistent homology
    image: int = 8  # r, cells of a persistence image along each axis
    ranks: str = "1,2,5,10,20,40"  # k of the codensities, distances to the k-th nearest vector
    masked: bool = False  # vectors at a mask token in place of each token: a forward pass for every token


@dataclass(kw_only=True)
class TaskData:
    """The source of the data of tasks, and the size of the training sets."""

    data_dir: str = ""  # folder that holds CoLA/, SST-2/ ...; empty: the data set named by `hub`
    hub: str = "nyu-mll/glue"  # data set on the HuggingFace hub, or a local folder in its layout
    train_examples: int = 0  # random subset of a task's training set; 0: all of it


@dataclass(kw_only=True)
class OwnTask:
    """A task of a person's own: files or a data set of the hub, and how they are read."""

    train_file: str = ""  # of token_classification (CoNLL) or question_answering (SQuAD's JSON): the training examples
    eval_file: str = ""  # the examples that the score is of; of a GLUE task alone, in place of its own file
    columns: str = ""  # of token_classification: words and tags, "0,3"; of the hub, their names; empty: "0,-1"
    doc_stride: int = 64  # of question_answering: tokens that two successive windows of a long context share
    answer_tokens: int = 30  # of question_answering: most tokens of an answer
    null_threshold: float = 0.0  # of question_answering: no answer is given where its score is larger by more than this


@dataclass(kw_only=True)
class Tasks:
    """Several tasks."""

    tasks: str = ""  # tasks to fine-tune on


@dataclass(kw_only=True)
class Convention:
    """The convention of the measures that have two."""

    convention: str = "standard"  # "standard", or "paper": the form comparable with the published numbers


@dataclass(kw_only=True)
class Measures:
    """Names of measures."""

    measures: str = "study"  # "study" (arXiv 2406.12159), "all", or names of the catalogue: "study,koleo"


@dataclass(kw_only=True)
class Codebooks:
    """Codebooks, and the number of fits."""

    codebook_size: int = 256  # K, entries of one codebook
    quantizer_seeds: int = 1  # fits of the quantizer; the value is the mean over them, their spread gives se_quantizer


@dataclass(kw_only=True)
class Quantizer(Codebooks):
    """A quantizer."""

    codebooks: int = 4  # M, codebooks of the quantizer; the width d must be divisible by it
    iterations: int = 0  # iterations of a quantizer's training; 0: 25 of Lloyd's for pq, 20 to 60 passes for lsq


@dataclass(kw_only=True)
class Evaluation(Quantizer, Convention, Measures):
    """Values of measures with their errors."""

    groups: int = 24  # groups of sequences that are left out in turn for standard errors; 0: no errors
    seed: int = 0  # seed of the measures' own randomness (quantizer starts, random references, groups)


@dataclass(kw_only=True)
class PoolMeasuring(Codebooks, FirstTexts):
    """Settings of the measurement of each model of a replication."""

    max_sequences: int = 5000
    points: int = 20000  # points of a layer that are measured
    quantizer_seeds: int = 5


@dataclass(kw_only=True)
class Descent:
    """The learning rate of a training."""

    learning_rate: float = 2e-5  # peak; falls linearly to 0


@dataclass(kw_only=True)
class FineTuning(Descent):
    """Training on labelled examples."""

    epochs: int = 3  # passes over the training set
    batch_size: int = 32  # examples a step; the last, smaller batch of an epoch is kept
    max_length: int = 128  # tokens; longer inputs are truncated, longest segment first


@dataclass(kw_only=True)
class MicroBatches(FineTuning):
    """Steps that sum the gradients of parts of a batch."""

    micro_batch: int = 0  # rows of similar length at once; a step sums the gradients; 0: 8, on accelerators batch_size


@dataclass(kw_only=True)
class Population:
    """Models that train as one step."""

    population: int = 1  # models of one base that are fine-tuned as one compiled step


@dataclass(kw_only=True)
class Steps(Descent):
    """Training for a given number of steps."""

    steps: int = 20000  # optimizer steps
    warmup: int = 500  # steps of linear warm-up


@dataclass(kw_only=True)
class Windows:
    """Windows of a text."""

    length: int = 64  # tokens of a training window
    batch_size: int = 64  # windows a step


@dataclass(kw_only=True)
class Architecture:
    """Sizes of an encoder."""

    layers: int = 2  # transformer layers
    hidden_size: int = 128  # width d
    heads: int = 2  # attention heads


@dataclass(kw_only=True)
class Checkpoints:
    """Checkpoints of a training."""

    checkpoint_seconds: float = 60.0  # seconds between checkpoints


@dataclass(kw_only=True)
class NewEncoder(Checkpoints, Steps, Architecture):
    """An encoder that is trained from scratch."""

    tokenizer: str = ""  # model whose tokenizer is taken; empty: a tokenizer is trained on the text
    vocabulary_size: int = 4096  # WordPiece entries of a tokenizer that is trained
    allow_unknown: bool = False  # go on where the tokenizer does not know more than half of the tokens
    snapshots: str = ""  # steps after which the model is also saved, as `model_STEP/`: "0,100,1000"


@dataclass(kw_only=True)
class Resampling:
    """Intervals by resampling."""

    level: float = 0.9  # nominal coverage of every interval
    resamples: int = 1000  # bootstrap samples of the units; 0: no intervals
    seed: int = 0  # seed of the resampling
