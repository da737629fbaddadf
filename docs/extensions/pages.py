"""Writes the pages that are made from the package, the gallery and the API, before Sphinx reads the sources."""

import re
from pathlib import Path

import api
import clouds
import gallery
import pictures
from sphinx.application import Sphinx

from geojax.measures import CATALOGUE


def _write(app: Sphinx) -> None:
    measures, source = CATALOGUE, Path(app.srcdir)
    captions = {row.name: pictures.caption(row.reads) for row in measures}
    _keep(source / "gallery", gallery.pages(measures, captions))
    _keep(source / "api", api.pages())
    values, cases = clouds.read(), clouds.cases()
    drawn = {reads: pictures.Picture(three) for reads, three in cases.items()}
    for row in measures:
        path = source / "gallery" / f"{row.name}.png"
        if not path.exists() or path.stat().st_mtime < clouds.TABLE.stat().st_mtime:
            drawn[row.reads].save(path, row.name, values[row.name])


def _keep(folder: Path, pages: dict[str, str]) -> None:
    """Writes the pages, those that changed, and removes others."""
    folder.mkdir(exist_ok=True)
    for path in (*folder.glob("*.md"), *folder.glob("*.rst")):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _inside(app: Sphinx, name: str, source: list[str]) -> None:
    """Leaves the text alone of a link to a page of the repository that is no page of the site."""
    root = Path(app.srcdir).resolve()

    def link(found: re.Match) -> str:
        target = (root / name).parent.joinpath(found["path"]).resolve()
        return found["text"] if target.is_file() and not target.is_relative_to(root) else found[0]

    source[0] = re.sub(r"\[(?P<text>[^\]]*)\]\((?P<path>[^()#:]*\.md)(#[^)]*)?\)", link, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", _write)
    app.connect("source-read", _inside)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
