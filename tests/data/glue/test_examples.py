"""Examples, subsets and digests."""

import numpy as np

from geojax.data import glue
from geojax.data.task_data import digest, subset


def test_subsets_are_seeded_nested_and_exact():
    examples = glue.Examples(tuple(map(str, range(50))), None, np.arange(50, dtype=np.int32))
    first, second = subset(examples, 10, seed=1), subset(examples, 20, seed=1)
    assert first.text_a == second.text_a[:10]
    assert [int(text) for text in second.text_a] == second.labels.tolist()
    assert len(set(second.text_a)) == 20
    assert subset(examples, 10, seed=2).text_a != first.text_a
    assert subset(examples, 0, seed=1) is subset(examples, 99, seed=1) is examples


def test_digest_sees_texts_boundaries_and_labels():
    labels = np.zeros(2, np.int32)
    made = [
        glue.Examples(("ab", "c"), None, labels),
        glue.Examples(("a", "bc"), None, labels),
        glue.Examples(("ab", "c"), None, labels + 1),
        glue.Examples(("ab", "c"), ("", ""), labels),
    ]
    assert len({digest(examples) for examples in made}) == 4
