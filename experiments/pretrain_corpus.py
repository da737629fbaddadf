"""Rebuilds the text of `geojax-bert-tiny` from Debian packages and WikiText-2: NAME.txt and NAME.held_out.txt.

Every source is one paragraph a line; every 50th paragraph is held out. Licences: `geojax/assets/geojax-bert-tiny`.
"""

import dataclasses
import gzip
import html
import logging
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from configs.schema import PretrainCorpus
from geojax.errors import InputError
from geojax.runtime import folders, records
from geojax.runtime.run_once import once

HELD_OUT = 50  # one paragraph in 50 is held out
WIKITEXT = ("wikitext2_valid.raw", "wikitext2_test.raw")
INSTALL = (
    "apt-get install r-cran-janeaustenr r-cran-tokenizers sword-text-web libsword-utils wordnet-base dict-devil cfi-en"
)
R_DATA = """
data <- new.env()
lazyLoad(file.path(system.file("data", package = "{package}"), "Rdata"), data)
writeLines(unlist(mget(ls(data), data)))
"""

log = logging.getLogger(__name__)


def run(config: PretrainCorpus, workdir: Path) -> None:
    """Writes the two files of every source, and logs the numbers of their words.

    Raises:
      InputError: WikiText-2 or a package is missing.
    """
    workdir, wikitext = folders.local(workdir), Path(config.wikitext)
    for name in WIKITEXT:
        if not (wikitext / name).exists():
            raise InputError(f"{wikitext / name} does not exist: name the folder by --config.wikitext=FOLDER")
    once(workdir, dataclasses.asdict(config), partial(write, wikitext, workdir))


def write(wikitext: Path, out: Path) -> None:
    """Writes the two files of every source."""
    try:
        for name, paragraphs in sources(wikitext).items():
            clean = [text for text in (" ".join(paragraph.split()) for paragraph in paragraphs) if text]
            if not clean:
                raise InputError(f"{name} has no text: {INSTALL}")
            held_out = clean[HELD_OUT - 1 :: HELD_OUT]
            del clean[HELD_OUT - 1 :: HELD_OUT]
            for file, lines in ((f"{name}.txt", clean), (f"{name}.held_out.txt", held_out)):
                records.write_atomic(out / file, "".join(f"{line}\n" for line in lines).encode())
            log.info("%s: %d words, %d held out", name, words(clean), words(held_out))
    except FileNotFoundError as error:
        raise InputError(f"{error.filename} does not exist: {INSTALL}") from error
    except subprocess.CalledProcessError as error:
        raise InputError(f"{error.cmd[0]} fails: {INSTALL}") from error


def words(lines: Iterable[str]) -> int:
    """The number of words separated by blanks."""
    return sum(len(line.split()) for line in lines)


def sources(wikitext: Path) -> dict[str, Iterable[str]]:
    """The paragraphs of each source, by its name."""
    wordnet = Path("/usr/share/wordnet")
    book = Path("/usr/share/doc/cfi-en/html")
    return {
        "austen": prose(r_data("janeaustenr")),
        "moby_dick": prose(r_data("tokenizers")),
        "world_english_bible": verses(command("mod2imp", "engWEB2015eb", "-s")),
        "wordnet": glosses((wordnet / f"data.{part}").read_text() for part in ("noun", "verb", "adj", "adv")),
        "devils_dictionary": prose(gzip.decompress(Path("/usr/share/dictd/devil.dict.dz").read_bytes()).decode()),
        "copyright_does_not_exist": web_pages(sorted(book.glob("*.htm*"))),
        "wikitext2": wiki((wikitext / name).read_text() for name in WIKITEXT),
    }


def command(*arguments: str) -> str:
    """The standard output of a program."""
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def r_data(package: str) -> str:
    """The character vectors of an R package, one element a line."""
    return command("Rscript", "-e", R_DATA.format(package=package))


def prose(text: str) -> list[str]:
    """The paragraphs of a text, separated by blank lines; of a Project Gutenberg file only those from START to END."""
    text = re.split(r"\*\*\* ?START OF .*\n", text)[-1]
    return re.split(r"\n\s*\n", re.split(r"\n.*(?:\*\*\* ?END OF|End of (?:the )?Project Gutenberg)", text)[0])


def verses(text: str) -> Iterator[str]:
    """The chapters of a text of entries `$$$Book chapter:verse`, one paragraph each."""
    chapter, body = None, []
    for entry in re.split(r"^\$\$\$", text, flags=re.MULTILINE)[1:]:
        key, _, verse = entry.partition("\n")
        found = re.fullmatch(r"(.+) (\d+):([1-9]\d*)", key)
        if found is None:
            continue  # headings and introductions
        if found.group(1, 2) != chapter and body:
            yield " ".join(body)
            body = []
        chapter = found.group(1, 2)
        body.append(verse)
    yield " ".join(body)


def glosses(files: Iterable[str]) -> Iterator[str]:
    """The words, definition and examples of each synset of WordNet."""
    for line in (line for file in files for line in file.splitlines() if " | " in line):
        fields, gloss = line.split(" | ", 1)
        fields = fields.split()
        names = ", ".join(fields[4 : 4 + 2 * int(fields[3], 16) : 2]).replace("_", " ")
        yield re.sub(r"[(](?:a|p|ip)[)]", "", names) + ": " + gloss


def web_pages(files: Iterable[Path]) -> Iterator[str]:
    """The paragraphs of HTML files."""
    for file in files:
        for paragraph in re.split(r"(?i)<(?:p|h\d|li|br|td)\b", file.read_text(encoding="latin-1")):
            yield html.unescape(re.sub(r"<[^>]*>", " ", "<" + paragraph))


def wiki(files: Iterable[str]) -> Iterator[str]:
    """The paragraphs of WikiText, without its marks of headings and its escapes of hyphens, points and commas."""
    for line in (line for file in files for line in file.splitlines()):
        yield re.sub(r" ?@([-.,])@ ?", r"\1", line).replace("= ", "").replace(" =", "")
