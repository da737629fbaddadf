"""Rebuild the text that geojax-bert-tiny was pre-trained on, from packages of Debian 12 and WikiText-2.

    apt-get install r-cran-janeaustenr r-cran-tokenizers sword-text-web libsword-utils wordnet-base dict-devil cfi-en
    python launch.py --config=configs/pretrain_corpus.py --config.wikitext=FOLDER --workdir=text

Writes `NAME.txt` and `NAME.held_out.txt` for each of seven sources, one paragraph a line; every 50th paragraph is held
out. Licences: geojax/assets/geojax-bert-tiny/README.md.
"""

from configs.schema import PretrainCorpus


def get_config() -> PretrainCorpus:
    """Settings of the experiment."""
    return PretrainCorpus()
