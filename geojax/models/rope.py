"""Rotary position embeddings (Su et al. 2021, arXiv 2104.09864): their settings, and the frequencies of a head.

Scalings for longer texts: linear (Chen et al. 2023, arXiv 2306.15595) and that of Llama 3 (Grattafiori et al. 2024,
arXiv 2407.21783).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float

from geojax.errors import InputError

SCALINGS = ("default", "linear", "llama3")
NAMES = {  # of the settings in `config.json`
    "theta": "rope_theta",
    "partial": "partial_rotary_factor",
    "factor": "factor",
    "low": "low_freq_factor",
    "high": "high_freq_factor",
    "original": "original_max_position_embeddings",
}
NEEDED = {"default": (), "linear": ("factor",), "llama3": ("factor", "low", "high", "original")}


@dataclass(frozen=True)
class Rope:
    """The settings of rotary position embeddings.

    Attributes:
      theta: base of the frequencies theta^(-2i/r), i = 0, 1, ..., r/2 - 1, where r dimensions of a head are rotated.
      partial: the share of the dimensions of a head that are rotated.
      scaling: "default"; "linear", all frequencies are divided by `factor`; "llama3", those of a wavelength above
        `original` / `low` are, those of one below `original` / `high` are not, and between them both are mixed.
    """

    theta: float
    partial: float = 1.0
    scaling: str = "default"
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    original: float = 8192

    def __post_init__(self):
        if self.scaling not in SCALINGS:
            raise InputError(f"rope_type {self.scaling!r} is not supported: geojax has {', '.join(SCALINGS)}")
        if self.theta < 1 or self.partial > 1 or self.high <= self.low:
            raise InputError(f"rotary embeddings need theta ≥ 1, a share of at most 1, and low < high: {self}")

    def dimensions(self, head_dim: int) -> int:
        """The number of dimensions of a head that are rotated."""
        return int(head_dim * self.partial)

    def frequencies(self, head_dim: int) -> Float[np.ndarray, "half"]:
        """The angle between two neighbouring positions, for each pair of rotated dimensions of a head."""
        size = self.dimensions(head_dim)
        plain = 1 / np.float32(self.theta) ** (np.arange(0, size, 2, dtype=np.float32) / np.float32(size))
        if self.scaling == "default":
            return plain
        slow = plain / np.float32(self.factor)
        if self.scaling == "linear":
            return slow
        wavelengths = 2 * np.pi / plain
        # Operations in the order of the originals: the last bit of a frequency counts many positions later.
        share = (self.original * (1 / wavelengths) - self.low) / (self.high - self.low)
        share = np.clip(share, 0, 1).astype(np.float32)
        return (1 - share) * plain / np.float32(self.factor) + share * plain


def read_rope(given: Any, **settings: Any) -> Rope:
    """The settings in an entry of `config.json`: `rope_parameters`, or `rope_scaling` of older versions.

    Args:
      given: the entry; None where there is none.
      settings: `theta` and `partial`, where the entry does not state them.

    Raises:
      InputError: no record, a scaling that geojax does not have, or one without its settings.
    """
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"rope_parameters is {given!r}: it must be a record")
    given = {name: value for name, value in (given or {}).items() if value is not None}
    scaling = given.get("rope_type", given.get("type", "default"))
    if scaling not in SCALINGS:
        raise InputError(f"rope_type {scaling!r} is not supported: geojax has {', '.join(SCALINGS)}")
    settings |= {field: given[name] for field, name in NAMES.items() if name in given}
    if lacking := [NAMES[field] for field in NEEDED[scaling] if field not in settings]:
        raise InputError(f"rope_parameters of type {scaling} lack {', '.join(lacking)}")
    read = ("theta", "partial", *NEEDED[scaling])
    settings = {field: value for field, value in settings.items() if field in read}
    for field, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < math.inf:
            raise InputError(f"{NAMES[field]} is {value!r}: it must be a number above 0")
    return Rope(scaling=scaling, **settings)


def stated_rope(record: Mapping[str, Any], **settings: Any) -> Rope:
    """The settings in a `config.json`, in the form of transformers 5 or in an older one; the rest as `read_rope`."""
    return read_rope(record.get("rope_scaling") or record.get("rope_parameters"), **settings)


def rope_record(rope: Rope) -> dict[str, Any]:
    """The settings as an entry `rope_parameters`."""
    record = {"rope_type": rope.scaling, "rope_theta": rope.theta}
    record |= {"partial_rotary_factor": rope.partial} if rope.partial < 1 else {}
    return record | {NAMES[field]: getattr(rope, field) for field in NEEDED[rope.scaling]}
