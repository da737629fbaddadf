"""A person's own task: its file, and the rows that are held out."""

import numpy as np
import pytest

from geojax.data import labelled
from geojax.errors import InputError


def write(folder, text):
    path = folder / "task.tsv"
    path.write_text(text)
    return path


def test_a_file_is_a_task_with_its_share_of_every_class_held_out(tmp_path):
    rows = [f'{number}\t"text" {number}\t{"a" if number % 4 else "b"}' for number in range(40)]
    data = labelled.load(write(tmp_path, "id\ttext\tlabel\r\n" + "\r\n".join(rows) + "\r\n"))
    train, dev = data.train, data.dev["dev"]
    assert data.task.label_names == ("a", "b") and len(train) == 32 and len(dev) == 8
    assert np.bincount(dev.labels).tolist() == [6, 2] and not set(train.text_a) & set(dev.text_a)
    assert set(train.text_a) | set(dev.text_a) == {f'"text" {number}' for number in range(40)}
    number = int(dev.text_a[0].split()[1])
    assert dev.labels[0] == (0 if number % 4 else 1)
    other = labelled.load(tmp_path / "task.tsv", 20, seed=1).dev["dev"]
    assert np.bincount(other.labels).tolist() == [15, 5] and other.text_a[:8] != dev.text_a


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text\tlabel\n", "has no row below its header"),
        ("text,label\na,b\n", "has no column 'text', or two"),
        ("text\tlabel\na\tx\nb\n", "row 3: 1 columns where 2 are expected"),
        ("text\tlabel\na\tx\n \ty\n", "row 3: the text is empty"),
        ("text\tlabel\na\tx\nb\t\n", "row 3: the label is empty"),
        ("text\tlabel\na\tx\nb\ty\na\tx\n", "row 4 repeats row 2: keep"),
        ("text\tlabel\na\tx\nb\tx\n", "all 2 labels are 'x'"),
        ("text\tlabel\na\tx\nb\tx\nc\ty\n", "no row of class 'y' is held out"),
        ("text\tlabel\na\tx\nb\ty\n", "2 of them are to be held out"),
    ],
)
def test_other_files_get_a_sentence(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        labelled.load(write(tmp_path, text), 2 if "to be" in message else 0)
