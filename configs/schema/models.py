"""Settings of the experiments that make models, by training or from another model."""

from dataclasses import KW_ONLY, dataclass

from configs.schema import sections


@dataclass
class Finetune(
    sections.Checkpoints,
    sections.Population,
    sections.MicroBatches,
    sections.OwnTask,
    sections.TaskData,
    sections.NoisedModel,
):
    """Fine-tune a model, or a population of models, on one task, and score it on the development set."""

    experiment: str = "finetune"
    model: str = ""  # HuggingFace name, folder, or an encoder that ships with geojax; for a population several: "A,B"
    task: str = ""  # cola sst2 ... wnli; token_classification or question_answering of own files; or mini_...
    _: KW_ONLY
    warmup: float = 0.0  # share of the steps over which the learning rate rises linearly from 0 to its peak
    optimizer: str = "adamw"  # name of an optimizer of optax: adamw, lion, lamb, adafactor, sgd ...
    weight_decay: float = 0.0  # weight decay, on dense kernels and embeddings only
    dtype: str = "float32"  # type of the layers' activations in training: "float32", or "bfloat16" on accelerators
    remat: bool = False  # compute each layer again in the backward pass: less memory, more time
    shard_parameters: bool = False  # shard parameters and moments over the devices, for models too large for one
    allow_unknown: bool = False  # go on where the tokenizer does not know more than half of the tokens
    lora_rank: int = 0  # train adapters of this rank and the head, and freeze the model; 0: train all parameters
    lora_alpha: float = 16.0  # adapters are scaled by lora_alpha / lora_rank
    lora_targets: str = "query,value"  # kernels with an adapter, as query,key,value,attention/output,intermediate
    parameters: str = "float32"  # type of the kernels below adapters; bfloat16: half the memory, no model/ written
    tensorboard: bool = False  # write the folder `tensorboard` beside metrics.jsonl
    population: int = 1  # members that train as one step: of the lists below, or seeds from `seed` on; 0: all that fit
    alphas: str = ""  # for a population: noise levels in percent; empty: alpha
    noise_seeds: str = ""  # for a population: seeds of the noise, at every level above 0; empty: noise_seed
    learning_rates: str = ""  # for a population: peak learning rates; empty: learning_rate
    seeds: str = ""  # for a population: seeds of fine-tuning; empty: seed
    seed: int = 42  # seed of the head, the order of the examples and dropout


@dataclass
class Pretrain(sections.NewEncoder, sections.Windows, sections.Corpus):
    """Pre-train an encoder from scratch on plain text."""

    experiment: str = "pretrain"
    objective: str = "masked_lm"  # prediction at masked tokens: masked_lm, first_character, ascii_sum, random_label
    word_order: str = "text"  # "text": as it is; words shuffled within each "sentence", or over the "corpus"
    init: str = "standard"  # the start: "standard", "mimetic" attention, unit-variance "scale", a model's "spectrum"
    init_model: str = ""  # for the start "spectrum": a trained encoder of the same layers and widths
    _: KW_ONLY
    layers: int = 4
    heads: int = 4
    learning_rate: float = 1e-3
    micro_batch: int = 0  # windows at once; a step sums their gradients; 0: 512 tokens, on accelerators batch_size
    seed: int = 0  # seed of the initialisation, the order of the windows and the masks


@dataclass
class PretrainCorpus:
    """Write the text that geojax-bert-tiny was pre-trained on."""

    experiment: str = "pretrain_corpus"
    wikitext: str = ""  # folder of WikiText-2 (raw): wikitext2_valid.raw and wikitext2_test.raw


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
    allow_unknown: bool = False  # go on where the tokenizer does not know more than half of the tokens
    evaluations: int = 4  # evaluations of each run, evenly over its steps
    seed: int = 0  # seed of the order of the windows, the masks and the quantizer


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
class ConvertCheckpoint:
    """Convert a pickled checkpoint or an ONNX encoder into a model folder with safetensors."""

    experiment: str = "convert_checkpoint"
    source: str = ""  # folder with config.json and pytorch_model.bin or model.onnx; an .onnx file; fairseq's model.pt
    tokenizer: str = ""  # folder whose tokenizer is taken, as roberta-base for fairseq; empty: the source's tokenizer
