"""Settings of the experiment on in-context learning."""

from dataclasses import KW_ONLY, dataclass


@dataclass
class InContext:
    """Train models that learn tasks in context, and audit what they hold and how they answer."""

    experiment: str = "in_context"
    tasks: str = "linear"  # one or more tasks: "linear,sinusoid"
    models: str = "implicit,transformer,mlp,known,aux,true_latent"  # one or more of these
    size: str = "small"  # "tiny" (for tests), "small" (minutes on two cores) or "full" (as published)
    seeds: int = 3  # models of every task and kind, which train as one
    _: KW_ONLY
    queries: str = "same"  # queries in training: "same", independent of the pairs, or "near" one of them
    noise: str = ""  # standard deviation of the noise of values; empty: the task's own
    temperature: str = ""  # temperature of classes; empty: the task's own
    x_dim: int = 0  # coordinates of x; 0: the task's own
    z_dim: str = ""  # coordinates of z, one or more numbers: "2,4,8"; empty: the width of the model
    intensity: float = 3.0  # how far queries out of distribution are
    steps: int = 0  # training steps; 0: those of the size
    probes: str = "auto"  # states that w is read from: "z", "all", "none"; "auto": all, where the task has such a w
    sites: str = "auto"  # where states are interchanged: "z,z@0,queries:1+2", "none"; "auto": docs/in_context.md
    rank: str = "10"  # dimensions of an interchange, one or more numbers
    measures: str = ""  # measures of z over training: "study", "all", or names; empty: none
    states: str = "z"  # states that are measured: "z", or "all" layers too
    select: str = "last"  # errors of the "last" parameters, or as published of the "best" on the same tasks
