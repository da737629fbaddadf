"""Settings of the benchmarks and of the replication, whose results are in docs/results."""

from dataclasses import KW_ONLY, dataclass

from configs.schema import sections


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
    """Answer the questions of a replication, which docs/results/replication/plan.md lists, from its table."""

    experiment: str = "replication.findings"
    table: str = ""  # results.csv of a replication; layers.csv in the same folder is read too if it exists
    primary: str = "lsq_patchiness"  # the measure whose claim is tested; all others are exploratory
    intervention: str = "eee"  # measure that the arms of further pre-training lowered and raised
    permute: bool = False  # shuffle the scores first, to test the analysis on data with nothing to find
    _: KW_ONLY
    resamples: int = 1000  # bootstrap samples and permutations; 0: no intervals and no p-values of the search


@dataclass
class ScoreMeasure(sections.Resampling, sections.Convention, sections.PoolMeasuring, sections.ScoreTable):
    """Score measures by their skill on recipes and families left out, beyond dose and masked-LM loss."""

    experiment: str = "replication.score_measure"
    measures: str = ""  # columns of the table, even baselines; with `models` as in Measure: "vrm,mypkg.mod:ROW"
    models: str = ""  # folder with a model folder for each base of the table, on which the measures are computed
