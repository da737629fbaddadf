"""Tag terms by the vector of each word, by the topology of its neighbourhood, and by both.

    python launch.py --config=configs/tag.py --workdir=runs/tag
    python launch.py --config=configs/tag.py --config.model=roberta-base --config.train=train.tsv \\
        --config.tests=same_services.tsv,other_services.tsv --config.store=unlabelled.txt --workdir=runs/terms

The tags are B (a term begins), I (it goes on) and O. A file has an utterance a line, as group, tab, words, tab, tags,
or a word a line with its tag last and an empty line behind each utterance (CoNLL). Without files the model that ships
with geojax tags a generated corpus: about a minute on two cores.

A word is the vector of its first piece in one layer, fixed; a network of one hidden layer reads one word. What the
network reads is a set of blocks joined by "+":

    vector        the vector
    codensity     distances to the k-th nearest vectors of the datastore
    wasserstein   total persistence of H0 and H1 of the neighbourhood, 1- and 2-norm
    images        persistence images of H0 and H1
    dimension     local dimension
    topology      the four above
    shuffled      the topology of another word, drawn at random: a control with as many features

Writes `DIR/tag.csv`, a row a test file, number of training utterances and set of features: F1 of spans, tokens and
terms, F1 of terms that training has shown and of others, each a mean over seeds, and the differences to the vector
alone with paired bootstrap intervals over utterances; `DIR/tag.md`, the same for reading; the figure `DIR/tag.svg`, F1
of spans against the number of training utterances; and `DIR/result.json`. docs/topology.md defines the features.
Started again after an interruption, it keeps the features and the trainings that are done.
"""

from configs.schema import Tag


def get_config() -> Tag:
    """Settings of the experiment."""
    return Tag()
