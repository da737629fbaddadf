"""Settings of the commands: what cannot work is refused in a sentence, before any slow step and before a result."""

import dataclasses

import numpy as np
import pytest
from hostile import REFUSED, Says, judge, table
from places import FIXTURES

import launch
from configs import schema
from experiments import (
    compare,
    finetune,
    initialise,
    measure,
    plan,
    predict,
    pretrain,
    rank,
    regress,
    regularize,
    sample,
    spread_study,
    tag,
    topology,
)
from experiments import surgery as surgeries
from experiments.common.command_line import check_numbers
from experiments.study import command as study
from geojax.errors import InputError
from geojax.sweeps import engine

BERT = str(FIXTURES / "random-bert")
CLOUD, TABLE = "CLOUD", "TABLE"  # a file of points, and a table of scores
NAN, INFINITE = float("nan"), float("inf")


def listed(sweep):
    """As --executor=print lists them."""
    return engine.left(sweep, sweep.units)


COMMANDS = {  # name: (what is run, the settings that would work)
    "measure": (measure.run, schema.Measure(cloud=CLOUD, measures="eee", groups=0)),
    "plan": (plan.run, schema.Plan(cloud=CLOUD, measures="eee")),
    "sample": (sample.run, schema.Sample(model=BERT)),
    "compare": (compare.run, schema.Compare(models=f"{BERT},geojax-bert-tiny", measures="eee")),
    "rank": (rank.run, schema.Rank(models=f"{BERT},geojax-bert-tiny", task="mini_paraphrase")),
    "finetune": (finetune.run, schema.Finetune(model=BERT, task="mini_paraphrase", max_length=32)),
    "study": (study.sweep, schema.Study(model=BERT, tasks="mini_paraphrase", measures="eee")),
    "listed study": (lambda *given: listed(study.sweep(*given)), schema.Study(model=BERT)),
    "regress": (regress.run, schema.Regress(table=TABLE)),
    "predict": (predict.run, schema.Predict(model=BERT, fit="nowhere")),
    "spread_study": (spread_study.run, schema.SpreadStudy(dims="2")),
    "surgery": (surgeries.run, schema.Surgery(model=BERT, operation="untrained")),
    "pretrain": (pretrain.run, schema.Pretrain(text=TABLE, eval_text=TABLE)),
    "initialise": (initialise.sweep, schema.Initialise(size="tiny")),
    "listed initialise": (lambda *given: listed(initialise.sweep(*given)), schema.Initialise(text=TABLE)),
    "regularize": (regularize.run, schema.Regularize()),
    "tag": (tag.run, schema.Tag(model=BERT)),
    "topology": (topology.run, schema.Topology(model=BERT)),
}  # fmt: skip
WRONG = {  # command: the settings of each case, with the words that its sentence must have
    "measure": [
        ({"cloud": ""}, "neither"),
        ({"model": BERT}, "both"),
        ({"cloud": "nowhere.npy"}, "does not exist"),
        ({"cloud": "nowhere"}, "nowhere"),
        ({"measures": "eeee"}, "eee"),
        ({"measures": ""}, "measure"),
        ({"measures": ","}, "measure"),
        ({"measures": "logme"}, "labels"),
        ({"measures": "nomodule:ROW"}, "nomodule"),
        ({"measures": "math:pi"}, "math"),
        ({"measures": "os.path:nothing"}, "os.path"),
        ({"convention": "papers"}, "papers"),
        ({"groups": -1}, "groups is -1"),
        ({"groups": 2}, "groups is 2"),
        ({"seed": -1}, "seed is -1"),
        ({"measures": "pq_patchiness", "codebooks": 0}, "codebooks"),
        ({"measures": "pq_patchiness", "codebooks": -2}, "codebooks"),
        ({"measures": "pq_patchiness", "codebooks": 3}, "codebooks"),
        ({"measures": "pq_patchiness", "codebook_size": 1}, "codebook_size is 1"),
        ({"measures": "pq_patchiness", "codebook_size": 10**9}, "codebook_size|codebook"),
        ({"measures": "pq_patchiness", "codebook_size": 4, "iterations": -1}, "iterations"),
        ({"measures": "pq_patchiness", "quantizer_seeds": 0}, "quantizer_seeds is 0"),
        ({"max_points": 10}, "max_points"),
        ({"max_points": -1}, "max_points is -1"),
        ({"sequence_index": "nowhere.npy"}, "does not exist"),
        ({"sequence_index": CLOUD}, "integer"),
        ({"task": "rte", "cloud": ""}, "model"),
        ({"task": "rte"}, "cloud"),
        ({"cloud": "", "model": BERT, "task": "sst3"}, "sst3"),
        ({"cloud": "", "model": BERT, "layers": "first"}, "layers"),
        ({"cloud": "", "model": BERT, "layers": "4"}, "layers"),
        ({"cloud": "", "model": BERT, "layers": "-5"}, "layers"),
        ({"cloud": "", "model": BERT, "layers": ""}, "layers"),
        ({"cloud": "", "model": BERT, "layers": "1.5"}, "layers"),
        ({"cloud": "", "model": BERT, "tokens": "some"}, "some"),
        ({"cloud": "", "model": BERT, "alpha": -1.0}, "noise level"),
        ({"cloud": "", "model": BERT, "alpha": NAN}, "noise level"),
        ({"cloud": "", "model": BERT, "sequences": "nowhere.txt"}, "nowhere.txt"),
        ({"cloud": "", "model": "nowhere/at-all"}, "nowhere"),
        ({"cloud": "", "model": "bert-base-uncase"}, "bert-base-uncase"),
    ],
    "plan": [
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": -1.0}, "epsilon"),
        ({"epsilon": NAN}, "epsilon"),
        ({"epsilon": INFINITE}, "epsilon"),
        ({"draws": 0}, "draws is 0"),
    ],
    "sample": [({"model": ""}, "model"), ({"layers": "99"}, "layers"), ({"tokens": ""}, "token")],
    "compare": [
        ({"models": ""}, "two or more"),
        ({"models": BERT}, "two or more"),
        ({"models": f"{BERT},{BERT}"}, "two or more"),
    ],
    "rank": [
        ({"models": ""}, "two or more"),
        ({"models": f"{BERT},{BERT}"}, "names one twice"),
        ({"task": ""}, "whose labels rank"),
        ({"task": "", "by": "logme"}, "logme read labels"),
        ({"task": "sst3"}, "did you mean sst2"),
        ({"task": "nowhere.tsv"}, "nowhere.tsv cannot be read"),
        ({"task": "mini_similarity", "by": "knn_accuracy"}, "read classes"),
        ({"by": "eeee"}, "eee"),
        ({"by": "knn_accuracy,ridge_probe"}, "name one measure"),
        ({"layer": "first"}, "choose last or best"),
        ({"level": 1.0}, "level is 1.0"),
        ({"groups": 2}, "groups is 2"),
        ({"train_examples": -1}, "train_examples is -1"),
        ({"evidence": "nowhere.csv"}, "no table at nowhere.csv"),
        ({"evidence": TABLE}, "glue_average|knn_accuracy"),
    ],
    "finetune": [
        ({"task": ""}, "task"),
        ({"task": "sst3"}, "did you mean sst2"),
        ({"model": ""}, "model"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": -3}, "epochs"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_length": 0}, "max_length"),
        ({"max_length": 10**6}, "max_length"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": NAN}, "learning_rate"),
        ({"learning_rate": INFINITE}, "learning_rate"),
        ({"warmup": 1.0}, "warmup"),
        ({"warmup": -0.1}, "warmup"),
        ({"warmup": NAN}, "warmup"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"weight_decay": NAN}, "weight_decay"),
        ({"optimizer": "adamm"}, "adam"),
        ({"optimizer": "__class__"}, "optimizer"),
        ({"dtype": "float16"}, "dtype"),
        ({"micro_batch": -1}, "micro_batch"),
        ({"seed": -1}, "seed is -1"),
        ({"train_examples": -5}, "train_examples is -5"),
        ({"checkpoint_seconds": -1.0}, "checkpoint_seconds"),
        ({"checkpoint_seconds": NAN}, "checkpoint_seconds"),
        ({"alpha": 101.0}, "noise level 101"),
        ({"population": -1}, "population is -1"),
        ({"alphas": "0,0"}, "twice"),
        ({"alphas": "0,x"}, "numbers"),
        ({"alphas": "0,nan"}, "finite"),
        ({"seeds": "1,1.5"}, "whole"),
        ({"seeds": "1,inf"}, "finite"),
        ({"learning_rates": "1e-3,0"}, "learning_rate"),
        ({"task": "rte", "data_dir": "nowhere"}, "nowhere"),
        ({"eval_file": "nowhere.tsv"}, "takes no eval_file"),
        ({"model": 300 * "x"}, "model x+… of 300 characters"),
    ],
    "study": [
        ({"model": ""}, "model"),
        ({"tasks": ""}, "tasks"),
        ({"tasks": "sst3"}, "did you mean sst2"),
        ({"tasks": "sst2,mini_paraphrase"}, "mix real"),
        ({"tasks": "sst2,sst2"}, "twice"),
        ({"alphas": ""}, "alphas"),
        ({"alphas": "0,0.0"}, "twice"),
        ({"alphas": "-1"}, "noise level"),
        ({"alphas": "nan"}, "finite"),
        ({"noise_seeds": ""}, "noise_seeds"),
        ({"noise_seeds": "0.5"}, "whole"),
        ({"population": 0}, "population is 0"),
        ({"measures": "eeee"}, "eee"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": NAN}, "learning_rate"),
    ],
    "listed study": [
        ({"tasks": "ste"}, "task 'ste' is unknown"),
        ({"tasks": "sst2", "data_dir": "nowhere"}, "nowhere"),
        ({"tasks": "mini_paraphrase", "sequences": "nowhere.txt"}, "nowhere.txt"),
    ],
    "regress": [
        ({"table": ""}, "table"),
        ({"table": "nowhere.csv"}, "no table at"),
        ({"target": "score"}, "score"),
        ({"measures": "eeee"}, "eee"),
        ({"measures": ""}, "measure"),
        ({"terms": "measure*2("}, "measure"),
        ({"terms": "log(nothing)"}, "nothing"),
        ({"terms": "measure+"}, "'' in the terms 'measure\\+'"),
        ({"terms": "+measure"}, "no term"),
        ({"terms": "+"}, "no term"),
        ({"terms": ","}, "no right-hand side"),
        ({"terms": "__import__('os')"}, "terms|import"),
        ({"baselines": "nothing"}, "nothing"),
        ({"clusters": "nothing"}, "nothing"),
        ({"predict": "nowhere.csv"}, "nowhere.csv"),
        ({"exclude": "a"}, "exclude"),
        ({"level": 0.0}, "level"),
        ({"level": 1.0}, "level"),
        ({"level": NAN}, "level"),
        ({"resamples": -1}, "resamples is -1"),
        ({"seed": -1}, "seed is -1"),
    ],
    "predict": [({}, "no fit at"), ({"fit": ""}, "no fit at"), ({"model": ""}, "no model"), ({"level": 2.0}, "level")],
    "spread_study": [
        ({"dims": ""}, "dims"),
        ({"dims": "1"}, "dimension"),
        ({"dims": "2.5"}, "dimension"),
        ({"dims": "nan"}, "finite"),
        ({"dims": "two"}, "numbers"),
        ({"convention": "papers"}, "papers"),
        ({"seed": 2**32}, "seed"),
    ],
    "surgery": [
        ({"operation": ""}, "operation|choose"),
        ({"operation": "transplant"}, "donor"),
        ({"donor": BERT}, "donor"),
        ({"convention": "papers", "operation": "shuffle"}, "papers"),
        ({"model": "nowhere/at-all"}, "nowhere"),
        ({"seed": -1}, "seed is -1"),
    ],
    "pretrain": [
        ({"text": ""}, "text"),
        ({"text": "nowhere.txt"}, "nowhere.txt"),
        ({"objective": "foo"}, "foo"),
        ({"init": "foo"}, "foo"),
        ({"init": "spectrum"}, "init_model"),
        ({"init": "spectrum", "init_model": "nowhere/at-all"}, "nowhere"),
        ({"word_order": "foo"}, "foo"),
        ({"heads": 0}, "heads is 0"),
        ({"heads": 7}, "not divisible"),
        ({"vocabulary_size": -1}, "vocabulary_size is -1"),
        ({"vocabulary_size": 9}, "characters of the text alone"),
        ({"length": 1}, "length is 1"),
        ({"steps": 0}, "steps"),
        ({"snapshots": "1.5"}, "whole"),
        ({"snapshots": "999999"}, "snapshot"),
        ({"micro_batch": 7}, "micro_batch is 7"),
        ({"learning_rate": NAN}, "learning_rate|rate"),
    ],
    "initialise": [
        ({"stage": "test"}, "stage 'test' is unknown"),
        ({"size": "feasable"}, "did you mean feasible"),
        ({"size": "huge"}, "there are tiny, feasible, scaled"),
        ({"tokenizer": ""}, "tokenizer is empty"),
        ({"arms": "held"}, "are of the stage exploratory: stage rates runs its own"),
        ({"stage": "exploratory", "arms": "hold"}, "arm 'hold' is not an exploratory one: choose from held, rotated"),
        ({"stage": "development"}, "no rates.json"),
        ({"stage": "look"}, "no development.json"),
        ({"stage": "confirmatory"}, "no look.json"),
        ({"stage": "exploratory"}, "no look.json"),
    ],
    "listed initialise": [
        ({"text": ""}, "no text"),
        ({}, "eval_text"),
    ],
    "regularize": [
        ({"measure": "foo"}, "foo"),
        ({"factor": 1.0}, "factor"),
        ({"factor": NAN}, "factor"),
        ({"strength": -1.0}, "strength"),
        ({"temperature": 0.0}, "temperature"),
        ({"evaluations": 0}, "evaluations"),
        ({"evaluations": 1000}, "evaluations"),
        ({"learning_rate": NAN}, "learning_rate|rate"),
        ({"steps": 0}, "steps|evaluations"),
    ],
    "tag": [
        ({"train": TABLE}, "go together"),
        ({"tests": TABLE}, "go together"),
        ({"store": TABLE}, "its own datastore"),
        ({"train": TABLE, "tests": TABLE}, "line 1: 1 columns"),
        ({"train": "nowhere.tsv", "tests": TABLE}, "nowhere.tsv"),
        ({"features": "vector+topologies"}, "topologies"),
        ({"features": "vector+vector"}, "different blocks"),
        ({"features": ""}, "no features"),
        ({"labels": "-1"}, "labels"),
        ({"labels": ""}, "labels"),
        ({"labels": "1.5"}, "whole"),
        ({"seeds": 0}, "seeds is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": NAN}, "learning_rate"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"level": 1.0}, "level"),
        ({"model": ""}, "no model"),
        ({"layer": "all"}, "one hidden state"),
        ({"layer": "9"}, "layers '9'"),
    ],
    "topology": [
        ({"neighbours": 0}, "neighbours is 0"),
        ({"neighbours": 129}, "128"),
        ({"degrees": "2"}, "degrees"),
        ({"image": 0}, "image is 0"),
        ({"ranks": "0"}, "ranks"),
        ({"tokens": "cls"}, "tokens 'cls'"),
        ({"tokens": "all", "masked": True}, "choose word or content"),
        ({"store": "nowhere.txt"}, "nowhere.txt"),
        ({"model": ""}, "no model"),
    ],
}
CASES = {
    f"{name}: {', '.join(f'{key}={value}' for key, value in changes.items()) or 'as it is'}".replace(BERT, "BERT"): (
        (name, changes),
        Says(f"(?s){words}"),
    )
    for name, cases in WRONG.items()
    for changes, words in cases
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of 40 points in 8 dimensions, and a table of four models."""
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "cloud.npy", np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32))
    rows = "".join(f"{name},{score},{score + 1}\n" for name, score in zip("abcd", (0.1, 0.4, 0.2, 0.5), strict=True))
    (folder / "table.csv").write_text("model,glue_average,eee\n" + rows)
    return {CLOUD: str(folder / "cloud.npy"), TABLE: str(folder / "table.csv")}


@table(CASES)
def test_settings(files, tmp_path, monkeypatch, given, expected):
    name, changes = given
    run, settings = COMMANDS[name]
    settings = dataclasses.replace(settings, **changes)
    texts = {key: files[value] for key, value in vars(settings).items() if isinstance(value, str) and value in files}
    settings = dataclasses.replace(settings, **texts)
    monkeypatch.chdir(tmp_path)

    def do(settings):
        check_numbers(settings)
        run(settings, tmp_path / "work")

    judge(do, settings, expected)
    written = [path.name for path in (tmp_path / "work").rglob("*")] if (tmp_path / "work").exists() else []
    assert not {"DONE", "result.json", "measures.csv", "settings.json"} & {*written}, f"left behind: {written}"


PARTS = {
    f"part {text}": (text, REFUSED) for text in ("0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "1.5/2", " 1/2")
}


@table(PARTS, {"part 1/2": ("1/2", (1, 2)), "part 2/2": ("2/2", (2, 2)), "no part": (None, (1, 1))})
def test_parts_of_a_sweep(capsys, given, expected):
    def part(text):
        try:
            return launch.part(text, "shard")
        except SystemExit as end:
            assert end.code == 2
            raise InputError(capsys.readouterr().err.strip()) from end

    judge(part, given, expected)
