"""Files of questions: the format of SQuAD, answers that are not at their places, and one sentence for each fault."""

import json

import numpy as np
import pytest

from geojax.data import tasks
from geojax.data.question_answering import files, miniature
from geojax.data.question_answering.examples import Answer, Task
from geojax.errors import InputError

CONTEXT = "The old king found the boat near the river. The boat was old."


def question(name="q1", answers=(("the river", 33),), **other):
    told = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": name, "question": "Where was it?", "answers": told} | other


def squad(*questions, context=CONTEXT):
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(questions)}]}]}


def written(folder, record, name="train.json"):
    (folder / name).write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")
    return folder / name


def test_questions_with_and_without_answers(tmp_path):
    path = written(tmp_path, squad(question(), question("q2", (), is_impossible=True, plausible_answers=[])))
    found, mended = files.read(path)
    assert found.answers == ((Answer("the river", 33),), ()) and mended == 0 and found.contexts == (CONTEXT, CONTEXT)
    assert found.labels.tolist() == [1, 0] and found.take(np.array([1])).ids == ("q2",)
    data = tasks.load(
        "question_answering", train_file=path, eval_file=path, answers={"doc_stride": 3, "answer_tokens": 5}
    )
    assert data.task == Task("question_answering", doc_stride=3, answer_tokens=5, unanswerable=True)
    one = written(tmp_path, squad(question()), "one.json")
    assert not files.from_files(one, path).task.unanswerable


def test_an_answer_at_another_place_is_mended_aloud_or_refused(tmp_path, caplog):
    found, mended = files.read(written(tmp_path, squad(question(answers=[("near", 3), ("The old", 0)]))))
    assert found.answers[0] == (Answer("near", CONTEXT.index("near")), Answer("The old", 0)) and mended == 1
    assert "1 answers stood at another place than answer_start says" in caplog.text
    path = written(tmp_path, squad(question()), "dev.json")
    source = files.from_files(written(tmp_path, squad(question(answers=[("near", 3)]))), path).source
    assert source["mended"] == {"train": 1}


BROKEN = {
    "no file": (None, "cannot be read"),
    "no JSON": ("{", "is not JSON"),
    "a list": ([], "there is no list 'data'"),
    "no paragraphs": ({"data": [{}]}, "article 1: there is no list 'paragraphs'"),
    "no context": (squad(question(), context=None), "paragraph 1: 'context' is None"),
    "an empty question": (squad(question() | {"question": " "}), "'question' is ' '"),
    "a context that is no text": (squad(question(), context=3), "'context' is 3"),
    "no answers": (squad({"id": "q", "question": "a"}), "question 'q': there is no list 'answers'"),
    "no questions": (squad(), "holds no question"),
    "no id": (squad(question("")), "it has no id"),
    "an id twice": (squad(question(), question()), "question 'q1': it stands twice"),
    "an answer that is absent": (squad(question(answers=[("a lake", 3)])), "'a lake' is not at character 3 .* 0 times"),
    "an answer beyond": (squad(question(answers=[("boat", 9999)])), "has '' there and the answer 2 times"),
    "a negative place": (squad(question(answers=[("boat", -4)])), "the answer 2 times: correct answer_start"),
    "a place in words": (squad(question(answers=[("boat", "5")])), "answer_start is '5': it must be a whole number"),
    "an answer that is no record": (squad(question() | {"answers": ["boat"]}), "'text' is None"),
    "a question that is no record": (squad("who?"), "there is no list 'answers'"),
    "answered and impossible": (squad(question(is_impossible=True)), "is_impossible says that it has none"),
    "unanswered and possible": (squad(question(answers=(), is_impossible=False)), "has no answer, and is_impossible"),
    "impossible in words": (squad(question(is_impossible="no")), "is_impossible is 'no'"),
}


@pytest.mark.parametrize(("record", "message"), BROKEN.values(), ids=BROKEN)
def test_a_fault_is_a_sentence(tmp_path, record, message):
    path = tmp_path / "absent.json" if record is None else written(tmp_path, record)
    with pytest.raises(InputError, match=message) as caught:
        files.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"doc_stride": -1}, "doc_stride is -1"), ({"answer_tokens": 0}, "answer_tokens is 0"),
     ({"null_threshold": float("nan")}, "null_threshold is no number")],
)  # fmt: skip
def test_settings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        Task("question_answering", **settings)


def test_a_data_set_of_the_hub(tmp_path, hub_cache):
    from datasets import Dataset

    (tmp_path / "data").mkdir()
    rows = {"id": ["a", "b"], "title": ["t", "t"], "context": [CONTEXT] * 2, "question": ["Where?", "Why?"],
            "answers": [{"text": ["the river"], "answer_start": [33]}, {"text": [], "answer_start": []}]}  # fmt: skip
    for split in ("train", "validation"):
        Dataset.from_dict(rows).to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    data = tasks.load("question_answering", hub=str(tmp_path / "data"))
    assert data.train.answers == ((Answer("the river", 33),), ()) and data.task.unanswerable
    for split in ("train", "validation"):
        Dataset.from_dict({"id": ["a"]}).to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    with pytest.raises(InputError, match="column 'question' is missing, the columns are id"):
        tasks.load("question_answering", hub=str(tmp_path / "data"))


def test_the_miniature_answers_are_in_their_contexts():
    data = miniature.load()
    assert data.train == miniature.load().train and len(data.train) == 600
    for context, answers in zip(data.train.contexts, data.train.answers, strict=True):
        assert all(context[start:].startswith(text) for text, start in answers)
    assert (data.train.labels == 0).mean() == 0.2
