"""Settings of the experiments that relate scores to measures."""

from dataclasses import KW_ONLY, dataclass

from configs.schema import sections


@dataclass
class Study(
    sections.Population,
    sections.MicroBatches,
    sections.Quantizer,
    sections.Convention,
    sections.Measures,
    sections.OwnTask,
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
    tasks: str = (
        "cola,sst2,mrpc,stsb,qqp,mnli,qnli,rte"  # tasks whose mean is the score, as configs/finetune.py has them
    )
    seed: int = 42  # seed of fine-tuning and of the measures' own randomness


@dataclass
class Regress(sections.Resampling, sections.ScoreTable):
    """Regress a score on each measure of a table."""

    experiment: str = "regress"
    table: str = ""  # CSV with model, glue_average and measure columns; family, recipe, alpha, dose, tasks are optional
    target: str = "glue_average"
    measures: str = "all"  # "all" measure columns of the table, or the names of some
    terms: str = ""  # right-hand sides: "measure,measure+log(alpha)"; empty: measure, with several families +family too
    baselines: str = ""  # columns used as baselines, besides parameters, mlm_loss, rankme, logme ...
    clusters: str = "auto"  # of robust errors: "auto", "recipe", "family", "blocks" of neighbouring doses, or a column
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
class Tag(sections.Resampling, sections.LocalTopology, sections.Descent, sections.ModelRevision):
    """Tag terms by the vector of a word, by the topology of its neighbourhood, and by both."""

    experiment: str = "tag"
    model: str = "geojax-bert-tiny"
    train: str = ""  # file of tagged utterances to train on; empty: a generated corpus, which brings its own tests
    tests: str = ""  # files of tagged utterances to score on: "same.tsv,other.tsv"
    store: str = ""  # file whose words are the datastore: tagged utterances, or .txt, one a line; empty: those of train
    layer: str = "last"  # hidden state: "last", or its index (0 is the embeddings)
    features: str = "all"  # "all", or sets such as "vector,codensity,vector+topology" (configs/tag.py lists them)
    labels: str = "150,500,0"  # numbers of training utterances whose tags are shown; 0: all of them
    seeds: int = 5  # trainings of each set of features, each on its own random training utterances
    _: KW_ONLY
    hidden_size: int = 128  # width of the tagger's hidden layer
    learning_rate: float = 3e-3
    steps: int = 1500  # optimizer steps
    batch_size: int = 256  # words a step
    weight_decay: float = 0.1  # of the tagger's kernels
    allow_unknown: bool = False  # go on where the tokenizer does not know more than half of the tokens
    resamples: int = 1000  # bootstrap samples of the utterances of a test; 0: no intervals
    seed: int = 0  # seed of the generated corpus, of the taggers and of the resampling
