"""Text files as people save them: UTF-8, or UTF-16 and UTF-32 that a byte-order mark announces."""

import codecs
import logging
from pathlib import Path

from geojax.errors import InputError

# UTF-32 first: its mark in little-endian order begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}

log = logging.getLogger(__name__)


def read_text(path: str | Path) -> str:
    """The text of a file without its byte-order mark; a warning names an encoding that is not UTF-8.

    Lines end as in the file; if all of them end in a carriage return, they end in a line feed.

    Raises:
      InputError: the bytes are not text in the encoding; the message names the row (the first line is row 1).
      OSError: the file cannot be read.
    """
    raw = Path(path).read_bytes()
    encoding = next((name for mark, name in MARKS.items() if raw.startswith(mark)), "")
    try:
        text = raw.decode(encoding or "UTF-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        remedy = "save the file as UTF-8"
        if encoding not in ("", "UTF-8"):
            raise InputError(f"{path}, row {row}: the file is cut or no {encoding}: {remedy}") from error
        raise InputError(f"{path}, row {row}: byte {raw[error.start]:#04x} is not UTF-8; {remedy}") from error
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}, row {row}: a zero byte, as UTF-16 without a mark has: save the file as UTF-8")
    if encoding not in ("", "UTF-8"):
        log.warning("%s is read as %s, as its byte-order mark says", path, encoding)
    return text if "\n" in text else text.replace("\r", "\n")
