"""The text of the encoder that ships: what is held out, and what is missing is named."""

import pytest

from configs.schema import PretrainCorpus
from experiments import pretrain_corpus
from geojax.errors import InputError


@pytest.fixture
def wikitext(tmp_path):
    for name in pretrain_corpus.WIKITEXT:
        (tmp_path / name).write_text(" = A title = \n\n well @-@ known , 1 @,@ 000 \n")
    return tmp_path


def test_one_paragraph_in_fifty_is_held_out(wikitext, monkeypatch):
    texts = ((wikitext / name).read_text() for name in pretrain_corpus.WIKITEXT)
    own = {"numbers": (f"paragraph  {i}\n" for i in range(120)), "wiki": pretrain_corpus.wiki(texts)}
    monkeypatch.setattr(pretrain_corpus, "sources", lambda folder: own)
    out = wikitext / "out"
    pretrain_corpus.run(PretrainCorpus(wikitext=str(wikitext)), out)
    assert (out / "numbers.held_out.txt").read_text() == "paragraph 49\nparagraph 99\n"
    assert len((out / "numbers.txt").read_text().splitlines()) == 118
    assert (out / "wiki.txt").read_text() == "A title\nwell-known , 1,000\n" * 2


def test_what_is_missing_is_named(wikitext, monkeypatch):
    with pytest.raises(
        InputError, match="nowhere/wikitext2_valid.raw does not exist: name the folder by --config.wiki"
    ):
        pretrain_corpus.run(PretrainCorpus(wikitext="nowhere"), wikitext / "out")
    for command, message in (("no-such-program", "no-such-program does not exist"), ("false", "false fails")):
        monkeypatch.setattr(pretrain_corpus, "sources", lambda folder, c=command: {"a": pretrain_corpus.command(c)})
        with pytest.raises(InputError, match=f"{message}: apt-get install r-cran-janeaustenr"):
            pretrain_corpus.run(PretrainCorpus(wikitext=str(wikitext)), wikitext / "out")
    monkeypatch.setattr(pretrain_corpus, "sources", lambda folder: {"book": []})
    with pytest.raises(InputError, match="book has no text: apt-get install"):
        pretrain_corpus.run(PretrainCorpus(wikitext=str(wikitext)), wikitext / "out")
