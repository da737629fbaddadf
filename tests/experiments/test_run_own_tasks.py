"""Fine-tuning on a person's own files from end to end, with adapters, and a study with these tasks."""

import dataclasses
import json

import jax
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from configs.schema import Finetune, Study
from experiments import finetune, study
from experiments.study import tables
from experiments.study.pool import Pool
from geojax import models
from geojax.analysis import score_table
from geojax.data.question_answering import miniature as mini_questions
from geojax.data.token_classification import miniature as mini_entities
from geojax.errors import InputError
from geojax.models.adapter_files import load_adapted
from geojax.runtime import records


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """One narrow layer with the tokenizer of the shipped encoder: short compilations."""
    shipped = models.load("geojax-bert-tiny")
    config = dataclasses.replace(shipped.config, hidden_size=16, num_hidden_layers=1, intermediate_size=24)
    folder, apply = tmp_path_factory.mktemp("base") / "narrow", models.make_apply(config)
    models.save(folder, apply, models.init(apply, jax.random.key(0)), shipped.tokenizer)
    return str(folder)


def conll(folder, name, sentences):
    """A file as of CoNLL-2003, with two more columns."""
    text = "-DOCSTART- -X- -X- O\n\n"
    for words, tags in zip(sentences.words, sentences.tags, strict=True):
        text += "".join(f"{word} X Y {tag}\n" for word, tag in zip(words, tags, strict=True)) + "\n"
    (folder / name).write_text(text)
    return str(folder / name)


def squad(folder, name, questions):
    rows = zip(questions.ids, questions.questions, questions.contexts, questions.answers, strict=True)
    paragraphs = [
        {"context": context, "qas": [{"id": own, "question": question, "is_impossible": not answers,
                                      "answers": [{"text": a.text, "answer_start": a.start} for a in answers]}]}
        for own, question, context, answers in rows
    ]  # fmt: skip
    (folder / name).write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    return str(folder / name)


@pytest.fixture
def config(base, tmp_path):
    data = mini_entities.load(train=24, dev=10)
    return Finetune(
        model=base, task="token_classification", train_file=conll(tmp_path, "train.txt", data.train),
        eval_file=conll(tmp_path, "dev.txt", data.dev["dev"]), columns="0,3", epochs=1, batch_size=8, max_length=12,
        learning_rate=1e-2,
    )  # fmt: skip


def test_own_files_give_a_model_and_a_score(config, tmp_path):
    finetune.run(config, tmp_path / "run")
    result = records.read_json(tmp_path / "run" / "result.json")
    assert result["task"] == "token_classification" and result["train_examples"] == 24 and result["n_eval"] == 10
    assert set(result["metrics"]) == {"precision", "recall", "f1", "accuracy"} and result["data"]["sha256"]["train"]
    model = models.load(tmp_path / "run" / "model", head="token_classification")
    assert model.apply.label_names[0] == "O" and model.apply.num_labels == len(model.apply.label_names)
    with pytest.raises(InputError, match="columns was '0,3' and is now '0,-1'"):
        finetune.run(dataclasses.replace(config, columns="0,-1"), tmp_path / "run")


def test_answers_of_own_files_with_adapters_that_go_on_after_an_interruption(config, tmp_path, killed):
    data = mini_questions.load(train=24, dev=10)
    files = {
        "train_file": squad(tmp_path, "train.json", data.train),
        "eval_file": squad(tmp_path, "dev.json", data.dev["dev"]),
    }
    config = dataclasses.replace(
        config, task="question_answering", columns="", max_length=40, doc_stride=8, lora_rank=2, lora_targets="query",
        parameters="bfloat16", checkpoint_seconds=0.0, **files,
    )  # fmt: skip
    killed(lambda: finetune.run(config, tmp_path / "run"), lambda path, record: True)
    finetune.run(config, tmp_path / "run")
    result = records.read_json(tmp_path / "run" / "result.json")
    assert result["task"] == "question_answering" and result["n_eval"] == 10 and result["lora_rank"] == 2
    assert "f1_threshold" in result["fitted_on_dev"] and "accuracy_unanswerable" in result["metrics"]
    adapted = load_adapted(tmp_path / "run" / "adapter").params
    assert adapted["embeddings"]["word_embeddings"]["embedding"].dtype == "bfloat16"
    assert adapted["encoder"]["0"]["attention"]["query"]["kernel"].dtype == "float32"
    assert not (tmp_path / "run" / "model").exists()
    names = load_file(tmp_path / "run" / "adapter" / "adapter.safetensors")
    assert {name.split("/")[0] for name in names} == {"encoder", "head"} and len(names) == 4


@pytest.mark.slow
def test_a_population_of_adapters_has_a_folder_a_member(config, tmp_path):
    many = dataclasses.replace(config, lora_rank=2, population=0, learning_rates="1e-2,1e-3", tensorboard=False)
    finetune.run(many, tmp_path / "run")
    table = pd.read_csv(tmp_path / "run" / "results.csv")
    assert list(table["member"]) == ["rate0.01", "rate0.001"] and "precision" in table
    for name in table["member"]:
        adapted = load_adapted(tmp_path / "run" / "members" / name / "adapter")
        whole = models.load(tmp_path / "run" / "members" / name / "model", head="token_classification")
        assert jax.tree.all(jax.tree.map(np.array_equal, adapted.params, whole.params))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"task": "token_clasification"}, "did you mean token_classification"),
        ({"columns": "0"}, "columns '0': name two columns"),
        ({"eval_file": ""}, "token_classification needs data: name two files"),
        ({"train_file": "nowhere.txt"}, "nowhere.txt cannot be read"),
        ({"task": "sst2"}, "train_file is for token_classification and question_answering"),
        ({"task": "mini_entities"}, "train_file is for"),
        ({"task": "question_answering"}, "is not JSON"),
        ({"lora_rank": 4, "lora_targets": "attention"}, "LoRA target 'attention' names no kernel"),
        ({"parameters": "bfloat16"}, "only frozen kernels can be, so give a lora_rank too"),
        ({"parameters": "int8", "lora_rank": 2}, "parameters cannot be held as 'int8'"),
    ],
)
def test_bad_values_are_refused_in_a_sentence(config, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        finetune.run(dataclasses.replace(config, **changed), tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_mean_with_other_tasks_is_not_called_glue(tmp_path, monkeypatch):
    pool = Pool.of(Study(model="m", tasks="sst2,token_classification", alphas="0,10"), tmp_path)
    assert pool.target == "task_average"
    assert Pool.of(Study(model="m", tasks="mini_entities,mini_paraphrase"), tmp_path).target == "miniature_average"
    assert Pool.of(Study(model="m", tasks="sst2,rte"), tmp_path).target == "glue_average"
    with pytest.raises(InputError, match="train_file and eval_file are for token_classification or question_answering"):
        Pool.of(Study(model="m", tasks="sst2", train_file="a.txt"), tmp_path)
    with pytest.raises(InputError, match="need two data sets where train_file and hub name one"):
        Pool.of(Study(model="m", tasks="token_classification,question_answering"), tmp_path)

    def result(_, member, task):
        if task not in pool.tasks:
            return {"values": {"eee": 0.1}, "warnings": []}
        return {"task": task, "score": 0.5 if task == "sst2" else 0.7, "collapsed": False, "undefined": {}}

    monkeypatch.setattr(Pool, "result", result)
    tables.collect(pool)
    table = pd.read_csv(tmp_path / "results.csv")
    np.testing.assert_allclose(table["task_average"], 0.6)
    read = score_table.read(tmp_path / "results.csv", target="task_average")
    assert read.measures == ("eee",) and "token_classification" not in read.baselines


@pytest.mark.slow
def test_a_study_with_entities_and_answers(base, tmp_path):
    config = Study(
        model=base, tasks="mini_entities,mini_questions", alphas="0,20", noise_seeds="0", measures="eee", epochs=1,
        train_examples=32, batch_size=16, max_length=48, doc_stride=8, max_sequences=20,
    )  # fmt: skip
    study.run(config, tmp_path)
    table = pd.read_csv(tmp_path / "results.csv")
    np.testing.assert_allclose(table["miniature_average"], table[["mini_entities", "mini_questions"]].mean(axis=1))
    assert table["tasks"].tolist() == ["mini_entities+mini_questions"] * 2
    assert "mini_questions: 32 training rows, 100 development rows" in (tmp_path / "report.html").read_text()
