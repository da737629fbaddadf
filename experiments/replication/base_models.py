"""The base models of the replication, their training or surgery, and the noisy models derived from them.

| base | made by | seeds |
|---|---|---|
| distilled | the sentence vectors of a larger encoder (configs/distill.py) | 5 |
| deep, narrow | the same, another size | 2 each |
| distilled_shuffled | the same, the words of every sentence shuffled | 3 |
| mlm | masked language modelling | 5 |
| first_character, ascii_sum, random_label | another objective (arXiv 2203.10415) | 3 each |
| sentence, corpus | masked language modelling on shuffled words (arXiv 2104.06644) | 3 each |
| shuffled, transplanted | a distilled base with its word embeddings shuffled, or with the next seed's | 3 each |
| untrained, untrained_embedded | new parameters; the embeddings of a distilled base kept | 3 each |
| plain, down, up | mlm bases, pre-trained further with a measure unchanged, lowered or raised | 5 each |
| larger | the larger encoder itself | |
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

KINDS: Mapping[str, tuple[str, int, Mapping[str, Any]]] = {
    "distilled": ("distill", 5, {}),
    "deep": ("distill", 2, {"layers": 4}),
    "narrow": ("distill", 2, {"hidden_size": 96}),
    "distilled_shuffled": ("distill", 3, {"word_order": "sentence"}),
    "mlm": ("pretrain", 5, {}),
    "first_character": ("pretrain", 3, {"objective": "first_character"}),
    "ascii_sum": ("pretrain", 3, {"objective": "ascii_sum"}),
    "random_label": ("pretrain", 3, {"objective": "random_label"}),
    "sentence": ("pretrain", 3, {"word_order": "sentence"}),
    "corpus": ("pretrain", 3, {"word_order": "corpus"}),
}
"""Of every kind that is trained from scratch: how, with how many seeds, and what differs from the usual settings."""

STANDARD = ("distilled", "deep", "narrow", "mlm", "trajectory")
"""The kinds that a fit may learn from before it predicts the others."""

LABELLED = ("first_character", "ascii_sum", "random_label")
"""The kinds that were pre-trained to predict a label, not words."""

ARMS = ("plain", "down", "up")
LARGER = "larger"
APART = (*ARMS, LARGER)
"""Kinds that are no part of the pool: the intervention's arms, and what scores beyond the range of all others."""

SURGERIES = 3  # seeds of each kind of surgery

SHORT = (0.0, 8.0, 24.0)
SHALLOW = (0.0, 4.0, 8.0, 16.0, 32.0)
DEEP = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 32.0, 45.0)
LARGE = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.5, 9.0)
"""Noise levels in percent: of bases that are pre-trained, distilled, of the first of these, of the larger encoder."""

FIRST = "distilled_0"
TRAJECTORY = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7)
"""Shares of the first base's training after which it is a model too; its end is another."""


class Base(NamedTuple):
    """A model without noise.

    Attributes:
      name: name of the base, its folder and its model without noise.
      kind: kind in the table above, or "trajectory" for snapshots.
      family: the lineage: all models that descend from one training from scratch.
      how: "pretrain", "distill", "snapshot", "surgery", "regularize" or "given".
      settings: settings of the experiment that makes the base.
      needs: names of the bases that it is made of.
      making: name of the folder in which the base is made, which bases may share.
    """

    name: str
    kind: str
    family: str
    how: str
    settings: Mapping[str, Any]
    making: str
    needs: tuple[str, ...] = ()


class Model(NamedTuple):
    """A base model with one draw of noise."""

    base: Base
    alpha: float
    noise_seed: int

    @property
    def name(self) -> str:
        """The name in tables and folders."""
        return f"{self.base.name}_{self.alpha:g}_{self.noise_seed}" if self.alpha else self.base.name


def recipe(base: Base, found: Mapping[str, Base]) -> str:
    """How a base was made, without its seed: its own step, after the steps of the base that it descends from.

    `found` has the bases by name. A base that inherits nothing, and so begins a family, has its own step alone.
    """
    own = " ".join([base.how, *(f"{name}={value}" for name, value in base.settings.items() if name != "seed")])
    return own if base.family == base.name else f"{recipe(found[base.needs[0]], found)} > {own}"


def bases(steps: int) -> tuple[Base, ...]:
    """All bases for trainings of `steps` steps, each after the bases that it needs."""
    found: list[Base] = []
    for kind, (how, seeds, settings) in KINDS.items():
        for seed in range(seeds):
            name = f"{kind}_{seed}"
            found.append(Base(name, kind, name, how, {**settings, "seed": seed}, name))
            if name == FIRST:
                for step in dict.fromkeys(int(share * steps) for share in TRAJECTORY):
                    own = f"{name}_step_{step}"
                    found.append(Base(own, "trajectory", name, "snapshot", {"step": step}, name, (name,)))
    for seed in range(SURGERIES):
        own, other = (f"distilled_{(seed + place) % KINDS['distilled'][1]}" for place in (0, 1))
        for kind, settings, needs in (
            ("shuffled", {"operation": "shuffle"}, (own,)),
            ("transplanted", {"operation": "transplant"}, (own, other)),
            ("untrained", {"operation": "untrained"}, (own,)),
            ("untrained_embedded", {"operation": "untrained", "keep_embeddings": True}, (own,)),
        ):
            name = f"{kind}_{seed}"
            family = name if kind == "untrained" else own
            found.append(Base(name, kind, family, "surgery", {**settings, "seed": seed}, name, needs))
    for seed in range(KINDS["mlm"][1]):
        family, making = f"mlm_{seed}", f"regularized_{seed}"
        for arm in ARMS:
            settings = {"arm": arm, "seed": seed}
            found.append(Base(f"{arm}_{seed}", arm, family, "regularize", settings, making, (family,)))
    found.append(Base(LARGER, LARGER, LARGER, "given", {}, LARGER))
    return tuple(found)


def models(found: tuple[Base, ...]) -> tuple[Model, ...]:
    """All models: noise ladders of bases that are trained from scratch or given, and one model of any other base."""
    made = []
    for base in found:
        alphas, seeds = (0.0,), (0,)
        if base.how == "given":
            alphas, seeds = LARGE, (0, 1)
        elif base.name == FIRST:
            alphas, seeds = DEEP, (0, 1)
        elif base.how in ("pretrain", "distill"):
            alphas = SHORT if base.how == "pretrain" else SHALLOW
        made += [Model(base, alpha, seed) for alpha in alphas for seed in (seeds if alpha else (0,))]
    return tuple(made)


def predicts_tokens(base: Base) -> bool:
    """Whether a base has a masked-LM head that predicts tokens."""
    return base.how == "regularize" or (
        base.how == "pretrain" and base.settings.get("objective", "masked_lm") == "masked_lm"
    )
