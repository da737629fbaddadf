"""The settings of every experiment: one dataclass each, one comment a field.

A field is set from the command line by `--config.FIELD=VALUE`. Where several values are wanted they are
written with commas: `--config.measures=eee,vrm`.
"""

from dataclasses import dataclass


@dataclass
class Measure:
    """Measure one latent space: of a model on sequences, or a bare array of points."""

    experiment: str = "measure"
    model: str = ""  # HuggingFace name, local folder, or the name of an encoder that ships with geojax
    revision: str = ""  # branch, tag or commit on the hub; empty: the default branch
    sequences: str = ""  # text file, one sequence a line; empty: the set that ships with geojax
    cloud: str = ""  # .npy file, float array n x d, or a file of `sample`: measured instead of a model
    sequence_index: str = ""  # .npy file, int array n: the sequence that each row of the cloud belongs to
    task: str = ""  # measure a task's training examples instead, one point each; "transfer" needs their labels
    data_dir: str = ""  # of the task: folder that holds CoLA/, SST-2/ ...; empty: the data set `hub`
    hub: str = "nyu-mll/glue"  # of the task: data set on the HuggingFace hub, or a local folder in its layout
    train_examples: int = 1000  # of the task: random subset of the training set; 0: all of it
    layers: str = "last"  # "last", "all", or indices of hidden states (0 is the embeddings): "0,3,6"
    tokens: str = "all"  # token policy: all, content (no special tokens), word (first piece of each), cls, mean
    measures: str = "study"  # "study" (arXiv 2406.12159), "all", "transfer", names of the catalogue: "study,koleo"
    convention: str = "standard"  # "standard", or "paper": the form comparable with the published numbers
    alpha: float = 0.0  # noise percent put on the encoder's weights before sampling
    noise_seed: int = 0  # seed of that noise
    codebooks: int = 4  # M, codebooks of the quantizer; the width d must be divisible by it
    codebook_size: int = 256  # K, entries of one codebook
    iterations: int = 0  # of a quantizer's training; 0: Lloyd's 25 for pq, 20 to 60 passes for lsq
    quantizer_seeds: int = 1  # refits of the quantizer; the value is their mean, their spread gives se_quantizer
    max_points: int = 0  # of a model: hold a uniform sample of so many points a layer, in one pass; 0: hold all points
    groups: int = 24  # groups of sequences that are left out in turn for standard errors; 0: no errors
    seed: int = 0  # seed of the measures' own randomness (quantizer starts, random references, groups)


@dataclass
class Plan:
    """Find how many sequences a measurement needs for an error below epsilon."""

    experiment: str = "plan"
    model: str = ""  # HuggingFace name, local folder, or the name of an encoder that ships with geojax
    revision: str = ""  # branch, tag or commit on the hub; empty: the default branch
    sequences: str = ""  # text file, one sequence a line; empty: the set that ships with geojax
    cloud: str = ""  # .npy file, float array n x d, or a file of `sample`: measured instead of a model
    sequence_index: str = ""  # .npy file, int array n: the sequence that each row of the cloud belongs to
    layers: str = "last"  # one hidden state: "last", or its index (0 is the embeddings)
    tokens: str = "all"  # token policy, as in Measure
    measures: str = "eee,vrm,isoscore"  # "all" or names of the catalogue
    epsilon: float = 0.01  # bound on sqrt(bias^2 + SE^2), in the unit of the measure
    draws: int = 4  # sub-samples of each size that share no sequence
    convention: str = "standard"  # "standard" or "paper"
    alpha: float = 0.0  # noise percent put on the encoder's weights before sampling
    noise_seed: int = 0  # seed of that noise
    codebooks: int = 4  # M, codebooks of the quantizer
    codebook_size: int = 256  # K, entries of one codebook
    iterations: int = 0  # of a quantizer's training; 0: Lloyd's 25 for pq, 20 to 60 passes for lsq
    quantizer_seeds: int = 3  # refits of the quantizer
    groups: int = 24  # groups of sequences that are left out in turn for standard errors
    seed: int = 0  # seed of the sub-samples and of the measures' own randomness


@dataclass
class Sample:
    """Sample the latent space of one model into files."""

    experiment: str = "sample"
    model: str = ""  # HuggingFace name, local folder, or the name of an encoder that ships with geojax
    revision: str = ""  # branch, tag or commit on the hub; empty: the default branch
    sequences: str = ""  # text file, one sequence a line; empty: the set that ships with geojax
    layers: str = "last"  # "last", "all", or indices of hidden states (0 is the embeddings): "0,3,6"
    tokens: str = "all"  # token policy: all, content (no special tokens), word (first piece of each), cls, mean
    alpha: float = 0.0  # noise percent put on the encoder's weights before sampling
    noise_seed: int = 0  # seed of that noise


@dataclass
class Compare:
    """Measure several models on the same sequences and tabulate the differences."""

    experiment: str = "compare"
    models: str = ""  # two or more names or folders: "A,B,C"
    sequences: str = ""  # text file, one sequence a line; empty: the set that ships with geojax
    tokens: str = "all"  # token policy, as in Measure
    measures: str = "study"  # "study", "all" or names of the catalogue, as in Measure
    convention: str = "standard"  # "standard" or "paper"
    codebooks: int = 4  # M, codebooks of the quantizer
    codebook_size: int = 256  # K, entries of one codebook
    iterations: int = 0  # of a quantizer's training; 0: Lloyd's 25 for pq, 20 to 60 passes for lsq
    quantizer_seeds: int = 3  # refits of the quantizer; with 1 the quantized measures cannot be told apart
    groups: int = 24  # groups of sequences that are left out in turn for standard errors
    seed: int = 0  # seed of the measures' own randomness


@dataclass
class Finetune:
    """Fine-tune a model, or a population of models, on one task, and score it on the development set."""

    experiment: str = "finetune"
    model: str = ""  # HuggingFace name, folder, or an encoder that ships; of a population several: "A,B"
    revision: str = ""  # branch, tag or commit on the hub
    task: str = ""  # cola sst2 mrpc stsb qqp mnli qnli rte wnli, or a miniature task (mini_...)
    data_dir: str = ""  # folder that holds CoLA/, SST-2/ ...; empty: the data set `hub`
    hub: str = "nyu-mll/glue"  # data set on the HuggingFace hub, or a local folder in its layout
    eval_file: str = ""  # another development file, in the layout of the task's own
    alpha: float = 0.0  # noise percent put on the encoder's weights before fine-tuning
    noise_seed: int = 0  # seed of that noise
    seed: int = 42  # seed of the head, the order of the examples and dropout
    epochs: int = 3  # passes over the training set
    learning_rate: float = 2e-5  # peak, reached at the end of the warm-up; decays linearly to 0
    warmup: float = 0.0  # share of the steps over which the learning rate rises linearly from 0
    batch_size: int = 32  # examples a step; the last, smaller batch of an epoch is kept
    max_length: int = 128  # tokens; longer inputs are truncated, longest segment first
    micro_batch: int = 0  # rows of like length at once; a step sums their gradients; 0: 8, on accelerators batch_size
    train_examples: int = 0  # random subset of the training set; 0: all of it
    optimizer: str = "adamw"  # one of optax's by its name: adamw, lion, lamb, adafactor, sgd ...
    weight_decay: float = 0.0  # on dense kernels and embeddings only
    dtype: str = "float32"  # of the layers' activations in training: "float32", or "bfloat16" on accelerators
    remat: bool = False  # compute each layer again in the backward pass: less memory, more time
    population: int = 1  # members that train as one step, of these lists or of seeds from `seed` on; 0: all that fit
    alphas: str = ""  # of a population: noise levels; empty: alpha
    noise_seeds: str = ""  # of a population: seeds of the noise, at every level above 0; empty: noise_seed
    seeds: str = ""  # of a population: seeds of fine-tuning; empty: seed
    learning_rates: str = ""  # of a population: peaks; empty: learning_rate
    shard_parameters: bool = False  # cut parameters and moments over the devices, for models too large for one
    checkpoint_seconds: float = 60.0  # time between checkpoints
    tensorboard: bool = False  # write the folder `tensorboard` beside metrics.jsonl


@dataclass
class Regress:
    """Regress a score on each measure of a table."""

    experiment: str = "regress"
    table: str = ""  # CSV with model, glue_average, measure columns; family, alpha, dose, tasks are optional
    measures: str = "all"  # "all" the measure columns of the table, or some of them
    target: str = "glue_average"  # the column to predict
    terms: str = ""  # right-hand sides: "measure,measure+log(alpha)"; empty: measure, and measure+family if several
    baselines: str = ""  # further columns to compare with, beside parameters, mlm_loss, rankme, logme ...
    clusters: str = "auto"  # of robust errors: "auto", "family", "blocks" of neighbouring rungs, or a column
    predict: str = ""  # CSV of new models, with the same columns; glue_average where it is known
    exclude: str = ""  # models of `predict` to leave out of a second line of validation.csv: "A,B"
    level: float = 0.9  # nominal coverage of every interval
    resamples: int = 1000  # bootstrap samples, permutations and smooth random paths; 0: no validation
    seed: int = 0  # seed of these


@dataclass
class Predict:
    """Predict the score of one model from a fit."""

    experiment: str = "predict"
    fit: str = ""  # work folder of a study or of regress: it holds fit.json
    model: str = ""  # HuggingFace name, local folder, or the name of an encoder that ships with geojax
    revision: str = ""  # branch, tag or commit on the hub; empty: the default branch
    family: str = ""  # the model's family, as the fit calls it; empty: the last part of the model's name
    alpha: float = 0.0  # noise percent put on the encoder's weights before sampling
    noise_seed: int = 0  # seed of that noise
    measure: str = ""  # the measure to predict by; empty: the one that did best on models left out of the fit
    sequences: str = ""  # text file, one sequence a line; empty: as the fit records, or the set that ships with geojax
    tokens: str = ""  # token policy; empty: as the fit records, or all
    convention: str = ""  # "standard" or "paper"; empty: as the fit records, or standard
    level: float = 0.9  # nominal coverage of the interval
    seed: int = 0  # seed of the interval's draws


@dataclass
class Study:
    """Perturb, sample, measure and fine-tune a pool of models; regress and report."""

    experiment: str = "study"
    model: str = ""  # one or more names or folders: "A,B"
    sequences: str = ""  # text file, one sequence a line; "miniature": generated; empty: the set that ships with geojax
    max_sequences: int = 0  # use only the first so many; 0: all
    tasks: str = "cola,sst2,mrpc,stsb,qqp,mnli,qnli,rte"  # tasks whose mean is the score
    data_dir: str = ""  # folder that holds CoLA/, SST-2/ ...; empty: the data set `hub`
    hub: str = "nyu-mll/glue"  # data set on the HuggingFace hub, or a local folder in its layout
    alphas: str = "0,1,2,3,5,7,10,15"  # noise levels in percent
    noise_seeds: str = "0,1"  # draws of the noise at every level above 0
    tokens: str = "all"  # token policy, as in Measure
    measures: str = "study"  # "study", "all" or names of the catalogue, as in Measure
    convention: str = "standard"  # "standard" or "paper"
    codebooks: int = 4  # M, codebooks of the quantizer
    codebook_size: int = 256  # K, entries of one codebook
    iterations: int = 0  # of a quantizer's training; 0: Lloyd's 25 for pq, 20 to 60 passes for lsq
    quantizer_seeds: int = 1  # refits of the quantizer
    seed: int = 42  # seed of fine-tuning and of the measures' own randomness
    epochs: int = 3  # passes over the training set
    learning_rate: float = 2e-5  # peak learning rate
    batch_size: int = 32  # examples a step
    max_length: int = 128  # tokens
    train_examples: int = 0  # random subset of each training set; 0: all of it
    micro_batch: int = 0  # rows of like length at once; a step sums their gradients; 0: 8, on accelerators batch_size
    population: int = 1  # models of one base that are fine-tuned as one compiled step


@dataclass
class SpreadStudy:
    """Measure seven synthetic distributions in several dimensions."""

    experiment: str = "spread_study"
    dims: str = "2,10,50,100"  # dimensions d, each at least 2; every cloud has 250 d points
    convention: str = "paper"  # "paper", or "standard"
    seed: int = 11  # of NumPy's legacy generator, before each distribution and again before the normal samples


@dataclass
class Surgery:
    """Make a non-standard model: a work folder that is a model folder."""

    experiment: str = "surgery"
    model: str = ""  # HuggingFace name, local folder, or the name of an encoder that ships with geojax
    revision: str = ""  # branch, tag or commit on the hub
    operation: str = ""  # transplant (word embeddings of `donor`), shuffle (rows of them), untrained
    donor: str = ""  # of transplant: the model that gives its word embeddings and its tokenizer
    convention: str = "standard"  # of shuffle: "standard" permutes; "paper": the published law, which repeats rows
    keep_embeddings: bool = False  # of untrained: all embeddings stay trained
    seed: int = 0  # seed of the shuffle or of the fresh parameters


@dataclass
class Pretrain:
    """Pre-train an encoder from scratch on plain text."""

    experiment: str = "pretrain"
    text: str = ""  # text files, one paragraph a line: "a.txt,b.txt"
    eval_text: str = ""  # held-out text for the reported loss
    objective: str = "masked_lm"  # of masked tokens: masked_lm, first_character, ascii_sum, random_label
    word_order: str = "text"  # "text" as it is; words shuffled within the "sentence", or over the "corpus"
    tokenizer: str = ""  # model whose tokenizer is taken; empty: one is trained on `text`
    vocabulary_size: int = 4096  # WordPiece entries of one that is trained
    layers: int = 4  # transformer layers
    hidden_size: int = 128  # width d
    heads: int = 4  # attention heads
    length: int = 64  # tokens of a training window
    batch_size: int = 64  # windows a step
    micro_batch: int = 0  # windows at once; a step sums their gradients; 0: 512 tokens, on accelerators batch_size
    steps: int = 20000  # optimizer steps
    learning_rate: float = 1e-3  # peak
    warmup: int = 500  # steps of linear warm-up
    seed: int = 0  # seed of the initialisation, the order of the windows and the masks
    snapshots: str = ""  # steps after which the model is kept as well, in `model_STEP/`: "0,100,1000"
    checkpoint_seconds: float = 60.0  # time between checkpoints


@dataclass
class Distill:
    """Train a small encoder from scratch on the sentence vectors of a trained one."""

    experiment: str = "distill"
    sentences: str = ""  # text file, one sentence a line
    vectors: str = ""  # file of `sample` with --config.tokens=mean (or cls) on the same sentences
    word_order: str = "text"  # "text" as it is; "sentence": the student reads the words of each sentence shuffled
    tokenizer: str = "geojax-bert-tiny"  # model whose tokenizer is taken; empty: one is trained on the sentences
    vocabulary_size: int = 5000  # WordPiece entries of one that is trained
    layers: int = 2  # transformer layers
    hidden_size: int = 128  # width d
    heads: int = 2  # attention heads
    positions: int = 128  # tokens that the encoder can read
    length: int = 32  # tokens of a sentence in training; longer ones are cut
    batch_size: int = 64  # sentences a step, among which each is to be told
    micro_batch: int = 0  # sentences at once, of which two passes are made; 0: 512 tokens, on accelerators batch_size
    steps: int = 4000  # optimizer steps
    learning_rate: float = 2e-3  # peak
    warmup: int = 200  # steps of linear warm-up
    seed: int = 0  # seed of the initialisation, the order of the sentences and of their words
    snapshots: str = ""  # steps after which the model is kept as well, in `model_STEP/`: "0,100,1000"
    checkpoint_seconds: float = 60.0  # time between checkpoints


@dataclass
class Regularize:
    """Go on pre-training an encoder with a measure of its last layer in the loss."""

    experiment: str = "regularize"
    model: str = "geojax-bert-tiny"  # the encoder that ships, or the folder `model/` of configs/pretrain.py
    sequences: str = ""  # text file, one sequence a line; "miniature": generated; empty: the set that ships with geojax
    measure: str = "soft_patchiness"  # soft_patchiness, eee, isoscore or vrm
    factor: float = 1.25  # what is asked of the measure: its value at the start, divided and multiplied by this
    strength: float = 5.0  # nats in the loss for a measure that is off by a factor e; they grow as the log's square
    temperature: float = 0.1  # of soft_patchiness, in mean squared quantization errors
    codebooks: int = 4  # M, codebooks of its quantizer, fitted at the start and kept
    codebook_size: int = 64  # K, entries of one codebook
    length: int = 64  # tokens of a window
    batch_size: int = 32  # windows a step
    steps: int = 100  # optimizer steps of each run
    learning_rate: float = 5e-4  # peak
    warmup: int = 10  # steps of linear warm-up
    evaluations: int = 4  # of each run, evenly over its steps
    seed: int = 0  # seed of the order of the windows, the masks and the quantizer


@dataclass
class Benchmark:
    """Time the measures of one latent space against public packages."""

    experiment: str = "benchmark"
    cloud: str = ""  # .npy file, float array n x d; empty: a generated cloud of 116 667 x 384
    model: str = "geojax-bert-tiny"  # to sample and fine-tune: HuggingFace name, folder, or an encoder that ships
    sequences: str = ""  # to sample: text file, one sequence a line; empty: the set that ships with geojax
    task: str = "mini_paraphrase"  # to fine-tune on
    data_dir: str = ""  # folder of that task's data, as in Finetune
    parts: str = ""  # some of them, as "pq,lsq,cell_eee,vrm,sampling,finetune_padded"; empty: all
    dtype: str = "float32"  # of activations in fine-tuning, on both sides: "float32", or "bfloat16" on accelerators
    members: int = 4  # of the population that is fine-tuned as one step
    repeats: int = 3  # runs of each side, in turn
    seed: int = 0  # seed of the quantizers and of the generated cloud


@dataclass
class SideBySide:
    """Fine-tune one encoder with geojax and with transformers and PyTorch, and compare the scores."""

    experiment: str = "benchmark.side_by_side"
    model: str = "geojax-bert-tiny"  # HuggingFace name, folder, or an encoder that ships
    tasks: str = "cola,sst2,mrpc,stsb,rte,wnli"  # tasks to fine-tune on
    data_dir: str = ""  # folder that holds CoLA/, SST-2/ ...; empty: the data set `hub`
    hub: str = "nyu-mll/glue"  # data set on the HuggingFace hub, or a local folder in its layout
    train_examples: int = 10000  # random subset of a larger training set; 0: all of it
    seeds: int = 3  # runs of each side on a task: seeds 0, 1, ...
    small_seeds: int = 5  # ... on a task of fewer than 5 000 training examples
    epochs: int = 3  # passes over the training set
    learning_rate: float = 2e-5  # peak learning rate
    batch_size: int = 32  # examples a step
    max_length: int = 128  # tokens


@dataclass
class Replication:
    """Pre-train, perturb, measure and fine-tune a pool of small encoders; docs/results/replication.md says why."""

    experiment: str = "replication"
    text: str = ""  # text files to pre-train on, one paragraph a line: "a.txt,b.txt"
    eval_text: str = ""  # held-out text for the masked-LM loss
    model: str = ""  # a larger encoder, the teacher of some bases, that gets a ladder too: name or folder
    sequences: str = ""  # text file to sample latent spaces on, one sequence a line; empty: the set that ships
    max_sequences: int = 5000  # use only the first so many; 0: all
    points: int = 20000  # of every layer that are measured
    tasks: str = "sst2,stsb,qnli,mrpc,cola,rte"  # tasks to fine-tune on
    outcome: str = "sst2,stsb"  # those whose normalised mean is the outcome: they passed the pilot's gate
    data_dir: str = ""  # folder that holds CoLA/, SST-2/ ...; empty: the data set `hub`
    hub: str = "nyu-mll/glue"  # data set on the HuggingFace hub, or a local folder in its layout
    train_examples: int = 4000  # random subset of the training sets of the outcome's tasks; 0: all of it
    other_examples: int = 1000  # of those of the other tasks
    epochs: int = 3  # passes over the training set
    learning_rate: float = 5e-4  # of fine-tuning
    larger_learning_rate: float = 1e-4  # of the larger encoder's: the first seed, the outcome's tasks alone
    batch_size: int = 32  # examples a step
    max_length: int = 64  # tokens of an example
    seeds: str = "42,43"  # of fine-tuning: all of them on the outcome's tasks, the first on the others
    population: int = 1  # models of one base that are fine-tuned as one compiled step
    tokenizer: str = "geojax-bert-tiny"  # model whose tokenizer all bases take
    layers: int = 2  # transformer layers of most bases
    hidden_size: int = 128  # their width
    heads: int = 2  # their attention heads
    length: int = 128  # tokens of a window in pre-training
    steps: int = 4000  # of every pre-training
    sentences: int = 60000  # of the text, whose vectors by the larger encoder are learned in distillation
    codebook_size: int = 256  # K, entries of one codebook
    quantizer_seeds: int = 5  # refits of the quantizers in the last layer
    groups: int = 24  # groups of sequences that are left out in turn for standard errors, in the last layer
    intervention: str = "eee"  # the measure that three arms of further pre-training push, as in Regularize
    intervention_factor: float = 1.25  # by so much, down and up
    intervention_steps: int = 500  # of each arm


@dataclass
class Findings:
    """Answer the questions of a replication from its table; docs/results/replication/plan.md fixed them beforehand."""

    experiment: str = "replication.findings"
    table: str = ""  # results.csv of a replication; layers.csv beside it is read too, where it is
    primary: str = "lsq_patchiness"  # the measure whose claim is tested; all others are exploratory
    target: str = "outcome"  # the column to predict
    intervention: str = "eee"  # the measure that the arms of further pre-training pushed
    level: float = 0.9  # nominal coverage of every interval
    resamples: int = 1000  # bootstrap samples and permutations; 0: no intervals, and no p of the search
    seed: int = 0  # seed of these
    permute: bool = False  # shuffle the scores first: what the analysis says where there is nothing to find


@dataclass
class ScoreMeasure:
    """Score a measure by its skill on families left out, beyond dose and masked-LM loss."""

    experiment: str = "replication.score_measure"
    table: str = ""  # results.csv of a replication
    measure: str = ""  # column of the table, a baseline too; with `models` a name of the catalogue or "mypkg.mod:ROW"
    models: str = ""  # folder with a model folder for each base of the table: takes the measure anew
    sequences: str = ""  # text file to sample latent spaces on, one sequence a line; empty: the set that ships
    max_sequences: int = 5000  # use only the first so many; 0: all
    points: int = 20000  # of the last layer that are measured
    convention: str = "standard"  # "standard" or "paper"
    codebook_size: int = 256  # K, entries of one codebook, of a measure of cells
    quantizer_seeds: int = 5  # refits of its quantizer
    target: str = "outcome"  # the column to predict
    level: float = 0.9  # nominal coverage of every interval
    resamples: int = 1000  # bootstrap samples of the families; 0: no intervals
    seed: int = 0  # seed of these
