"""Settings of the experiments that sample and measure latent spaces."""

from dataclasses import KW_ONLY, dataclass

from configs.schema import sections


@dataclass
class Measure(sections.Evaluation, sections.TaskData, sections.LayerSampling, sections.CloudFile, sections.NoisedModel):
    """Measure one latent space: of a model on sequences, or a bare array of points."""

    experiment: str = "measure"
    task: str = ""  # task, or .tsv file of text and label, whose training examples are measured; for "transfer"
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
class Compare(sections.Evaluation, sections.LayerSampling):
    """Measure several models on the same sequences: the differences of their spaces, or how alike these are."""

    experiment: str = "compare"
    models: str = ""  # two or more names or folders: "A,B,C"; one for the similarity of its layers
    _: KW_ONLY
    layers: str = "last"  # of measures of pairs of spaces, as "all" or "0,3,6"; the others compare the last layers
    measures: str = "study"  # "study" (arXiv 2406.12159), "all", "similarity" (of pairs of spaces), or names: "eee,cka"
    quantizer_seeds: int = 3  # fits of the quantizer; with 1 the differences of quantized measures have no error


@dataclass
class Rank(sections.Quantizer, sections.Convention, sections.TaskData, sections.Sampling):
    """Rank checkpoints for a task before any of them is fine-tuned."""

    experiment: str = "rank"
    models: str = ""  # two or more names or folders: "A,B,C"
    task: str = ""  # task whose labels rank the models: of GLUE, a miniature task, or a .tsv file with text and label
    by: str = ""  # one measure, the most first, with "-" the least; empty: knn_accuracy, or ridge_probe of a regression
    layer: str = "last"  # "last", or "best": of each model the layer with the best value
    evidence: str = ""  # table of models with known scores, as a study writes it, which tells the expected regret
    target: str = "glue_average"  # the column of the evidence with the scores
    _: KW_ONLY
    train_examples: int = 1000  # random training examples that are measured, the same for every model; 0: all
    groups: int = 24  # groups of examples that are left out in turn for standard errors, of all models at once; 0: none
    level: float = 0.9  # nominal coverage of the intervals
    seed: int = 0  # seed of the choice of examples, of their groups, of the measure's own randomness and of the pools


@dataclass
class Topology(sections.LocalTopology, sections.LayerSampling, sections.FirstTexts, sections.NoisedModel):
    """Local topology of every token vector of texts, layer by layer."""

    experiment: str = "topology"
    store: str = ""  # text file, one sequence a line, whose vectors are the datastore; empty: the sequences themselves
    _: KW_ONLY
    tokens: str = "word"  # token policy: word (first piece of each), content (no special tokens); unmasked also all
    layers: str = "all"


@dataclass
class SpreadStudy(sections.Convention):
    """Measure seven synthetic distributions in several dimensions."""

    experiment: str = "spread_study"
    dims: str = "2,10,50,100"  # dimensions d, each at least 2; every cloud has 250 d points
    _: KW_ONLY
    convention: str = "paper"
    seed: int = 11  # seed of NumPy's legacy generator, before each distribution and again before the normal samples


@dataclass
class Translate(sections.Resampling, sections.TaskData):
    """Translate the vectors of one encoder into those of another, and tell how much of them is kept."""

    experiment: str = "translate"
    models: str = ""  # names or folders: "A,B"; with `text` the first is translated into the second
    layers: str = "last"  # hidden states of all models, "last", "all" or "4,6"; or of each model, "4,6/1,2"
    task: str = ""  # task that heads are trained on: of GLUE, a miniature task, or a .tsv file with text and label
    text: str = ""  # text file without labels, one text a line, instead of a task: the bridge is saved
    vectors: str = ""  # .npy file of vectors of the first model, a row each, that the bridge translates
    bridge: str = ""  # bridge.safetensors of an earlier run, which is applied to `vectors` as it is
    method: str = "ridge"  # method of the bridge that is saved
    methods: str = "irp,ortho,linear,ridge"  # methods in the tables (configs/translate.py lists them)
    anchors: str = "64,384,768,2000"  # numbers k of texts known in both spaces
    seeds: int = 5  # draws of the anchors
    head: str = "ridge"  # head of a task: "ridge", in closed form, or "mlp", one hidden layer
    pooling: str = "mean"  # vector of a text, a token policy: mean, cls, last, max or sentence_transformers
    normalise: bool = False  # divide every vector by its length, as many vector stores do
    test_examples: int = 0  # texts held out; 0: the development set of a task, one in five of a file, at most 2000
    _: KW_ONLY
    train_examples: int = 4000
    allow_unknown: bool = False  # go on where the tokenizer does not know more than half of the tokens
    resamples: int = 1000  # bootstrap samples of the held-out texts and of the draws; 0: no intervals
    seed: int = 0  # seed of the choice of texts, of the draws, of an MLP and of the resampling
