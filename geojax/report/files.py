"""Files that the page holds as links: pictures, and the numbers of figures and tables as CSV."""

import base64
import re
import urllib.parse

import pandas as pd


def svg(image: bytes) -> str:
    """The data URI of a picture, whose lines are joined without their indentation."""
    image = re.sub(rb"\s*\n\s*", b" ", image).strip()
    return f"data:image/svg+xml;base64,{base64.b64encode(image).decode()}"


def csv(numbers: pd.DataFrame) -> str:
    """The data URI of a table as CSV in UTF-8: nine digits a number, nothing for a missing one."""
    text = numbers.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    return f"data:text/csv;charset=utf-8,{urllib.parse.quote(text, safe=',:;()=/')}"


def name(text: str) -> str:
    """A name for a file, in lower case and without an ending: letters and digits of `text`, at most 80."""
    return re.sub(r"\W+", "_", text.lower()).strip("_")[:80]
