"""The settings of every experiment: one dataclass each, composed of the sections that experiments share.

A field is set from the command line by `--config.FIELD=VALUE`. Several values are written with commas:
`--config.measures=eee,vrm`.

`--help` lists the fields in the order of the constructor's arguments: the inputs of an experiment, its own fields, then
the keyword-only fields. Of several base classes the last comes first. A field of a section is repeated here where its
default differs, with a comment where its meaning differs too.
"""

from dataclasses import KW_ONLY, dataclass

from configs import sections


@dataclass
class Measure(sections.Evaluation, sections.TaskData, sections.LayerSampling, sections.CloudFile, sections.NoisedModel):
    """Measure one latent space: of a model on sequences, or a bare array of points."""

    experiment: str = "measure"
    task: str = ""  # task whose training examples are measured instead, one point each; "transfer" needs their labels
    max_points: int = 0  # for a model: points a layer that are held, a uniform sample from one pass; 0: hold all points
    _: KW_ONLY
    train_examples: int = 1000
    measures: str = "study"  # "study" (arXiv 2406.12159), "all", "transfer", or names of the catalogue: "study,koleo"


@dataclass
class Plan(sections.Evaluation, sections.LayerSampling, sections.CloudFile, sections.NoisedModel):
    """Find how many sequences a measurement needs for an error below epsilon."""

    experiment: str = "plan"
    epsilon: float = 0.01  # bound on sqrt(bias^2 + SE^2), in the unit of the measure
    draws: int = 4  # disjoint sub-samples of each size
    _: KW_ONLY
    layers: str = "last"  # one hidden state: "last", or its index (0 is the embeddings)
    measures: str = "eee,vrm,isoscore"
    quantizer_seeds: int = 3
    seed: int = 0  # seed of the sub-samples and of the measures' own randomness


@dataclass
class Sample(sections.LayerSampling, sections.NoisedModel):
    """Sample the latent space of one model into files."""

    experiment: str = "sample"


@dataclass
class Compare(sections.Evaluation, sections.Sampling):
    """Measure several models on the same sequences and tabulate the differences."""

    experiment: str = "compare"
    models: str = ""  # two or more names or folders: "A,B,C"
    _: KW_ONLY
    quantizer_seeds: int = 3  # fits of the quantizer; with 1 the differences of quantized measures have no error


@dataclass
class Finetune(
    sections.Checkpoints, sections.Population, sections.MicroBatches, sections.TaskData, sections.NoisedModel
):
    """Fine-tune a model, or a population of models, on one task, and score it on the development set."""

    experiment: str = "finetune"
    model: str = ""  # HuggingFace name, folder, or an encoder that ships with geojax; for a population several: "A,B"
    task: str = ""  # cola sst2 mrpc stsb qqp mnli qnli rte wnli, or a miniature task (mini_...)
    eval_file: str = ""  # development file that replaces the task's own, in the same layout
    _: KW_ONLY
    warmup: float = 0.0  # share of the steps over which the learning rate rises linearly from 0 to its peak
    optimizer: str = "adamw"  # name of an optimizer of optax: adamw, lion, lamb, adafactor, sgd ...
    weight_decay: float = 0.0  # weight decay, on dense kernels and embeddings only
    dtype: str = "float32"  # type of the layers' activations in training: "float32", or "bfloat16" on accelerators
    remat: bool = False  # compute each layer again in the backward pass: less memory, more time
    shard_parameters: bool = False  # shard parameters and moments over the devices, for models too large for one
    allow_unknown: bool = False  # go on where the tokenizer does not know more than half of the tokens
    tensorboard: bool = False  # write the folder `tensorboard` beside metrics.jsonl
    population: int = 1  # members that train as one step: of the lists below, or seeds from `seed` on; 0: all that fit
    alphas: str = ""  # for a population: noise levels in percent; empty: alpha
    noise_seeds: str = ""  # for a population: seeds of the noise, at every level above 0; empty: noise_seed
    learning_rates: str = ""  # for a population: peak learning rates; empty: learning_rate
    seeds: str = ""  # for a population: seeds of fine-tuning; empty: seed
    seed: int = 42  # seed of the head, the order of the examples and dropout


@dataclass
class Regress(sections.Resampling, sections.ScoreTable):
    """Regress a score on each measure of a table."""

    experiment: str = "regress"
    table: str = ""  # CSV with model, glue_average and measure columns; family, alpha, dose and tasks are optional
    target: str = "glue_average"
    measures: str = "all"  # "all" measure columns of the table, or the names of some
    terms: str = ""  # right-hand sides: "measure,measure+log(alpha)"; empty: measure, with several families +family too
    baselines: str = ""  # columns used as baselines, besides parameters, mlm_loss, rankme, logme ...
    clusters: str = "auto"  # clusters of robust errors: "auto", "family", "blocks" of neighbouring doses, or a column
    predict: str = ""  # CSV of new models, with the same columns; glue_average where it is known
    exclude: str = ""  # models of `predict` that a second line of validation.csv leaves out: "A,B"
    _: KW_ONLY
    resamples: int = 1000  # bootstrap samples, permutations and smooth random paths; 0: no validation


@dataclass
class Predict(sections.Convention, sections.Sampling, sections.NoisedModel):
    """Predict the score of one model from a fit."""

    experiment: str = "predict"
    fit: str = ""  # work folder of a study or of regress: it holds fit.json
    family: str = ""  # the model's family, as the fit calls it; empty: the last part of the model's name
    measure: str = ""  # measure that predicts; empty: the one with the least error on models left out of the fit
    _: KW_ONLY
    sequences: str = ""  # text file, one sequence a line; empty: as the fit records, or the set that ships with geojax
    tokens: str = ""  # token policy; empty: as the fit records, or all
    convention: str = ""  # "standard" or "paper"; empty: as the fit records, or standard
    level: float = 0.9  # nominal coverage of the interval
    seed: int = 0  # seed of the interval's draws


@dataclass
class Study(
    sections.Population,
    sections.MicroBatches,
    sections.Quantizer,
    sections.Convention,
    sections.Measures,
    sections.TaskData,
    sections.Tasks,
    sections.Sampling,
    sections.FirstTexts,
    sections.Model,
):
    """Perturb, sample, measure and fine-tune a pool of models; regress and report."""

    experiment: str = "study"
    model: str = ""  # one or more names or folders: "A,B"
    alphas: str = "0,1,2,3,5,7,10,15"  # noise levels in percent
    noise_seeds: str = "0,1"  # draws of the noise at every level above 0
    _: KW_ONLY
    tasks: str = "cola,sst2,mrpc,stsb,qqp,mnli,qnli,rte"  # tasks whose mean is the score
    seed: int = 42  # seed of fine-tuning and of the measures' own randomness


@dataclass
class SpreadStudy(sections.Convention):
    """Measure seven synthetic distributions in several dimensions."""

    experiment: str = "spread_study"
    dims: str = "2,10,50,100"  # dimensions d, each at least 2; every cloud has 250 d points
    _: KW_ONLY
    convention: str = "paper"
    seed: int = 11  # seed of NumPy's legacy generator, before each distribution and again before the normal samples


@dataclass
class Surgery(sections.ModelRevision):
    """Make a non-standard model: a work folder that is a model folder."""

    experiment: str = "surgery"
    operation: str = ""  # transplant (word embeddings of `donor`), shuffle (rows of the word embeddings), untrained
    donor: str = ""  # for transplant: the model that gives its word embeddings and its tokenizer
    convention: str = "standard"  # for shuffle: "standard" permutes; "paper": the published law, which repeats rows
    keep_embeddings: bool = False  # for untrained: all embeddings stay trained
    seed: int = 0  # seed of the shuffle or of the untrained parameters


@dataclass
class Pretrain(sections.NewEncoder, sections.Windows, sections.Corpus):
    """Pre-train an encoder from scratch on plain text."""

    experiment: str = "pretrain"
    objective: str = "masked_lm"  # prediction at masked tokens: masked_lm, first_character, ascii_sum, random_label
    word_order: str = "text"  # "text": as it is; words shuffled within each "sentence", or over the "corpus"
    _: KW_ONLY
    layers: int = 4
    heads: int = 4
    learning_rate: float = 1e-3
    micro_batch: int = 0  # windows at once; a step sums their gradients; 0: 512 tokens, on accelerators batch_size
    seed: int = 0  # seed of the initialisation, the order of the windows and the masks


@dataclass
class Distill(sections.NewEncoder):
    """Train a small encoder from scratch on the sentence vectors of a trained one."""

    experiment: str = "distill"
    sentences: str = ""  # text file, one sentence a line
    vectors: str = ""  # file of configs/sample.py with --config.tokens=mean (or cls) on the same sentences
    word_order: str = "text"  # "text": as it is; "sentence": the student reads the words of each sentence shuffled
    _: KW_ONLY
    tokenizer: str = "geojax-bert-tiny"
    vocabulary_size: int = 5000
    steps: int = 4000
    learning_rate: float = 2e-3
    warmup: int = 200
    positions: int = 128  # tokens that the encoder can read
    length: int = 32  # tokens of a sentence in training; longer ones are cut
    batch_size: int = 64  # sentences a step; the loss contrasts each with all others
    micro_batch: int = 0  # sentences at once, each passed through twice; 0: 512 tokens, on accelerators batch_size
    seed: int = 0  # seed of the initialisation, the order of the sentences and of their words


@dataclass
class Regularize(sections.Steps, sections.Windows, sections.Texts, sections.Model):
    """Continue pre-training an encoder with a measure of its last layer in the loss."""

    experiment: str = "regularize"
    model: str = "geojax-bert-tiny"  # the encoder that ships with geojax, or the folder `model/` of configs/pretrain.py
    measure: str = "soft_patchiness"  # soft_patchiness, eee, isoscore or vrm
    factor: float = 1.25  # the targets are the measure's value at the start, divided and multiplied by this factor
    strength: float = 5.0  # weight of the squared log of measure / target: nats in the loss where the ratio is e
    temperature: float = 0.1  # temperature of soft_patchiness, in units of the mean squared quantization error
    codebooks: int = 4  # M, codebooks of the quantizer of soft_patchiness, fitted at the start and kept
    codebook_size: int = 64  # K, entries of one codebook
    _: KW_ONLY
    batch_size: int = 32
    learning_rate: float = 5e-4
    steps: int = 100  # optimizer steps of each run
    warmup: int = 10
    evaluations: int = 4  # evaluations of each run, evenly over its steps
    seed: int = 0  # seed of the order of the windows, the masks and the quantizer


@dataclass
class Benchmark(sections.Texts, sections.Model):
    """Time the measures of one latent space against public packages."""

    experiment: str = "benchmark"
    model: str = "geojax-bert-tiny"  # model to sample and fine-tune: HuggingFace name, folder, or encoder that ships
    cloud: str = ""  # .npy file, float array n x d; empty: a generated cloud of 116 667 x 384
    parts: str = ""  # some of "start,pq,lsq,cell_eee,vrm,all,sampling,finetune_padded" and others; empty: all
    _: KW_ONLY
    task: str = "mini_paraphrase"  # task to fine-tune on
    data_dir: str = ""  # folder of the task's data, as in Finetune
    dtype: str = "float32"  # type of activations in fine-tuning, on both sides: "float32", on accelerators "bfloat16"
    members: int = 4  # members of the population that is fine-tuned as one step
    repeats: int = 3  # runs of each side, alternating
    seed: int = 0  # seed of the quantizers and of the generated cloud


@dataclass
class SideBySide(sections.FineTuning, sections.TaskData, sections.Tasks, sections.Model):
    """Fine-tune one encoder with geojax and with transformers and PyTorch, and compare the scores."""

    experiment: str = "benchmark.side_by_side"
    model: str = "geojax-bert-tiny"
    _: KW_ONLY
    tasks: str = "cola,sst2,mrpc,stsb,rte,wnli"
    train_examples: int = 10000
    seeds: int = 3  # runs of each side on a task: seeds 0, 1, ...
    small_seeds: int = 5  # runs of each side on a task of fewer than 5 000 training examples


@dataclass
class Replication(
    sections.PoolMeasuring,
    sections.Architecture,
    sections.Population,
    sections.FineTuning,
    sections.TaskData,
    sections.Tasks,
    sections.Model,
    sections.Corpus,
):
    """Pre-train, perturb, measure and fine-tune a pool of small encoders (docs/results/replication.md)."""

    experiment: str = "replication"
    model: str = ""  # larger encoder, the teacher of some bases, which gets noise levels too: name or folder
    outcome: str = "sst2,stsb"  # tasks whose normalised mean is the outcome: they passed the pilot's gate
    _: KW_ONLY
    tasks: str = "sst2,stsb,qnli,mrpc,cola,rte"
    train_examples: int = 4000  # random subset of the training sets of the outcome's tasks; 0: all of it
    learning_rate: float = 5e-4
    max_length: int = 64
    layers: int = 2  # transformer layers of most bases
    quantizer_seeds: int = 5  # fits of the quantizers in the last layer
    groups: int = 24  # groups of sequences that are left out in turn for standard errors, in the last layer
    other_examples: int = 1000  # random subset of the training sets of the other tasks
    larger_learning_rate: float = 1e-4  # learning rate of the larger encoder: first seed, only the outcome's tasks
    tokenizer: str = "geojax-bert-tiny"  # model whose tokenizer all bases take
    length: int = 128  # tokens of a window in pre-training
    steps: int = 4000  # optimizer steps of every pre-training
    sentences: int = 60000  # sentences of the text on which the larger encoder is distilled
    intervention: str = "eee"  # measure that further pre-training lowers and raises, as in Regularize
    intervention_factor: float = 1.25  # factor by which the measure is lowered and raised
    intervention_steps: int = 500  # optimizer steps of each arm of the intervention
    seeds: str = "42,43"  # seeds of fine-tuning: all of them on the outcome's tasks, the first on the others


@dataclass
class Findings(sections.Resampling, sections.ScoreTable):
    """Answer the questions of a replication from its table; docs/results/replication/plan.md fixed them beforehand."""

    experiment: str = "replication.findings"
    table: str = ""  # results.csv of a replication; layers.csv in the same folder is read too if it exists
    primary: str = "lsq_patchiness"  # the measure whose claim is tested; all others are exploratory
    intervention: str = "eee"  # measure that the arms of further pre-training lowered and raised
    permute: bool = False  # shuffle the scores first, to test the analysis on data with nothing to find
    _: KW_ONLY
    resamples: int = 1000  # bootstrap samples and permutations; 0: no intervals and no p-values of the search


@dataclass
class ScoreMeasure(sections.Resampling, sections.Convention, sections.PoolMeasuring, sections.ScoreTable):
    """Score a measure by its skill on families left out, beyond dose and masked-LM loss."""

    experiment: str = "replication.score_measure"
    measure: str = ""  # column of the table, even a baseline; with `models` a name of the catalogue or "mypkg.mod:ROW"
    models: str = ""  # folder with a model folder for each base of the table, on which the measure is computed


@dataclass
class ConvertCheckpoint:
    """Convert a pickled checkpoint into a model folder with safetensors."""

    experiment: str = "convert_checkpoint"
    source: str = ""  # folder with pytorch_model.bin (or its shards) and config.json, or model.pt of fairseq's RoBERTa
    tokenizer: str = ""  # folder whose tokenizer is taken, as roberta-base for fairseq; empty: the source's tokenizer


@dataclass
class PretrainCorpus:
    """Write the text that geojax-bert-tiny was pre-trained on."""

    experiment: str = "pretrain_corpus"
    wikitext: str = ""  # folder of WikiText-2 (raw): wikitext2_valid.raw and wikitext2_test.raw
