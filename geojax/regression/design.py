"""Right-hand sides as text, `measure+family+log(alpha)`, and their design matrices.

A side is a sum of items; an item is an atom or a product of atoms, `measure:family`. Atoms: `measure`, the column of
the measure · `family`, one column for every family but the first · the name of a numeric column · `log(NAME)` ·
`level(NAME)`, one column for every distinct value but the least · `spline(NAME)` or `spline(log(NAME))`, a natural
cubic spline of 3 columns, `spline7(NAME)` of 7 columns. Every design has an intercept.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from geojax.errors import InputError

MEASURE, FAMILY = "measure", "family"
SPLINE_COLUMNS = 3
_ATOM = re.compile(r"(?:(log|level|spline(\d*))\()?(?:(log)\()?([\w.-]+)(\)?)(\)?)")


@dataclass(frozen=True)
class Atom:
    """One factor of an item: a column, its logarithm or not, and its encoding as itself, levels or a spline."""

    column: str
    logarithm: bool = False
    kind: str = ""  # "", "level", "spline"
    size: int = SPLINE_COLUMNS  # columns of a spline


@dataclass(frozen=True)
class _Fitted:
    """An atom with its levels, its knots and the shift of its logarithm, as fitted to the training rows."""

    atom: Atom
    levels: tuple[object, ...] = ()  # the first is the reference
    knots: tuple[float, ...] = ()
    shift: float = 0.0  # log(shift + x)

    def columns(self, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """The columns of some values, NaN for levels that the training rows lack, and the names of the columns."""
        name = self.atom.column
        if self.levels:
            block = (values[:, None] == np.array(self.levels[1:], values.dtype)[None]).astype(float)
            block[~np.isin(values, np.array(self.levels, values.dtype))] = np.nan
            return block, [f"{name}[{level:g}]" if self.atom.kind else f"{name}[{level}]" for level in self.levels[1:]]
        if self.atom.logarithm:
            positive = values + self.shift > 0
            values = np.where(positive, np.log(np.where(positive, values + self.shift, 1.0)), np.nan)
            name = f"{'log1p' if self.shift else 'log'}({name})"
        if not self.knots:
            return values[:, None], [name]
        block = natural_spline(values, np.array(self.knots))
        return block, [f"spline({name})[{index}]" for index in range(1, block.shape[1] + 1)]


@dataclass(frozen=True)
class Terms:
    """A parsed right-hand side."""

    text: str
    items: tuple[tuple[Atom, ...], ...]

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The distinct atoms."""
        return tuple(dict.fromkeys(atom for item in self.items for atom in item))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table that the terms need beside the measure and the family."""
        return tuple(dict.fromkeys(a.column for a in self.atoms if a.column not in (MEASURE, FAMILY)))


@dataclass(frozen=True)
class Encoder:
    """Terms with levels, knots and logarithms fitted to training rows."""

    terms: Terms
    fitted: Mapping[Atom, _Fitted]

    def design(self, columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
        """The design matrix of some rows and the names of its columns; NaN in rows that the terms do not cover."""
        n = len(columns[MEASURE])
        blocks, names = [np.ones((n, 1))], ["intercept"]
        for item in self.terms.items:
            block, labels = np.ones((n, 1)), [""]
            for atom in item:
                more, tags = self.fitted[atom].columns(columns[atom.column])
                block = (block[:, :, None] * more[:, None, :]).reshape(n, -1)
                labels = [f"{label}:{tag}".lstrip(":") for label in labels for tag in tags]
            blocks.append(block)
            names += labels
        return np.column_stack(blocks), names


def parse(text: str) -> Terms:
    """Reads a right-hand side.

    Raises:
      InputError: an item is not a term.
    """
    written = dict.fromkeys(text.replace(" ", "").split("+")) if text.strip() else {}
    items = [tuple(_atom(part, text) for part in item.split(":")) for item in written]
    return Terms("+".join(written), tuple(dict.fromkeys(items)))


def _atom(text: str, whole: str) -> Atom:
    match = _ATOM.fullmatch(text)
    if not match or text.count("(") != text.count(")"):
        raise InputError(
            f"{text!r} in the terms {whole!r} is no term: write a column, log(column), spline(column), level(column), "
            "or products such as measure:family"
        )
    outer, size, inner, column, *_ = match.groups()
    outer = (outer or "").rstrip("0123456789")
    if (outer == "level" and inner) or (outer == "log" and inner) or (column == FAMILY and outer):
        raise InputError(f"{text!r} in the terms {whole!r} means nothing: write log(column), level(column) or family")
    size = int(size or SPLINE_COLUMNS)
    if outer == "spline" and size < 2:
        raise InputError(f"{text!r} has {size} columns: a spline needs 2 or more")
    return Atom(column, "log" in (outer, inner), outer if outer != "log" else "", size)


def encode(terms: Terms, columns: Mapping[str, np.ndarray]) -> Encoder:
    """Fits levels, knots and logarithms to training rows without missing values.

    Raises:
      InputError: a logarithm of negative numbers.
    """
    fitted = {}
    for atom in terms.atoms:
        values = columns[atom.column]
        levels, shift = (), 0.0
        if atom.column == FAMILY or atom.kind == "level":
            levels = tuple(np.unique(values).tolist()) or (values.dtype.type(),)
        if atom.logarithm and len(values):
            if values.min() < 0:
                raise InputError(f"column {atom.column!r} has negative values, down to {values.min():g}: no logarithm")
            shift = float(values.min() == 0)
        scaled = np.log(values + shift) if atom.logarithm else values
        knots = quantile_knots(scaled, atom.size) if atom.kind == "spline" and len(values) else ()
        fitted[atom] = _Fitted(atom, levels, knots, shift)
    return Encoder(terms, fitted)


def quantile_knots(values: np.ndarray, columns: int) -> tuple[float, ...]:
    """Knots of a natural spline of `columns` columns: evenly spaced quantiles of the values, fewer if they tie."""
    return tuple(np.unique(np.quantile(values, np.linspace(0, 1, columns + 1))).tolist())


def natural_spline(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """The natural cubic spline with the given knots, without its constant: linear beyond the outer knots.

    Truncated powers in units of the range of the knots; one column fewer than knots. With fewer than three knots the
    spline is a line. Reference: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 5.2.1.
    """
    low, high = knots[0], knots[-1]
    scale = (high - low) or 1.0
    x, at = (values - low) / scale, (knots - low) / scale
    if len(at) < 3:
        return x[:, None]

    def bend(j: int) -> np.ndarray:
        return (np.clip(x - at[j], 0, None) ** 3 - np.clip(x - at[-1], 0, None) ** 3) / (at[-1] - at[j])

    last = bend(len(at) - 2)
    return np.column_stack([x, *(bend(j) - last for j in range(len(at) - 2))])


def stack(
    terms: Terms, frame: "pandas.DataFrame", measures: Sequence[str], target: str
) -> tuple[np.ndarray, np.ndarray, list[list[str]], list[Encoder]]:
    """The designs of several measures, padded to one shape.

    Returns:
      Designs [m, n, k], zero in rows that lack a value and in the padding; masks [m, n] of the rows with every value;
      the names of each design's columns; the encoder of each measure.
    """
    shared = columns_of(terms, frame)
    designs, masks, names, encoders = [], [], [], []
    for measure in measures:
        columns = shared | {MEASURE: frame[measure].to_numpy(float)}
        needed = [columns[atom.column] for atom in terms.atoms if atom.column != FAMILY]
        mask = np.isfinite(frame[target].to_numpy(float))
        for values in needed:
            mask &= np.isfinite(values)
        encoder = encode(terms, {name: values[mask] for name, values in columns.items()})
        design, labels = encoder.design(columns)
        designs.append(np.where(mask[:, None], design, 0.0))
        masks.append(mask)
        names.append(labels)
        encoders.append(encoder)
    k = max(design.shape[1] for design in designs)
    padded = [np.pad(design, ((0, 0), (0, k - design.shape[1]))) for design in designs]
    return np.stack(padded), np.stack(masks), names, encoders


def columns_of(terms: Terms, frame: "pandas.DataFrame") -> dict[str, np.ndarray]:
    """The columns that the terms need beside the measure, as arrays."""
    found = {name: frame[name].to_numpy(float) for name in terms.columns}
    if any(atom.column == FAMILY for atom in terms.atoms):
        found[FAMILY] = frame[FAMILY].to_numpy(object).astype(str)
    return found
