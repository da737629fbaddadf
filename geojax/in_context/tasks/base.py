"""What every task of in-context learning has: a latent w, a function f(x; w), pairs to learn from and queries.

A task is a frozen dataclass, hence a static argument of `jit`; all draws are pure functions of a key, for one task w,
and `vmap` gives batches. Answers y are Float[n, y]: values, or one-hot rows where the task has classes.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.errors import InputError
from geojax.typing import Key, Scalar

INTENSITY = 3.0  # of queries out of distribution
SPREAD = 0.1  # of queries about a point
TRAINING_QUERIES = ("same", "near")
EVALUATION_QUERIES = ("iid", "far", "wide")

Latent = Float[Array, "w"]
Inputs = Float[Array, "n x"]
Answers = Float[Array, "n y"]


class Practice(NamedTuple):
    """How a task is trained at small size.

    Attributes:
      n_min, n_max: the range of the number of pairs, both included.
      steps: number of training steps.
      learning_rate: the first learning rate; it falls to 0 as a half cosine.
    """

    n_min: int = 4
    n_max: int = 16
    steps: int = 6000
    learning_rate: float = 5e-4


class Examples(NamedTuple):
    """One task as a model sees it, and what it is scored on; a batch has a leading axis in every field.

    Attributes:
      x, y: the inputs and answers of the pairs, Float[n, x] and Float[n, y].
      mask: which pairs are real, Bool[n]; the others are padding.
      queries, answers: the inputs to answer, Float[q, x], and their answers, Float[q, y].
      latent: w, Float[w].
    """

    x: Float[Array, "*batch n x"]
    y: Float[Array, "*batch n y"]
    mask: Bool[Array, "*batch n"]
    queries: Float[Array, "*batch q x"]
    answers: Float[Array, "*batch q y"]
    latent: Float[Array, "*batch w"]

    @property
    def context(self) -> Float[Array, "*batch n pair"]:
        """The pairs as a model reads them: x, then y."""
        return jnp.concatenate([self.x, self.y], axis=-1)


@dataclass(frozen=True)
class Task:
    """A family of functions; every row of `TASKS` is one.

    Attributes:
      name: the name in `TASKS`.
      x_dim, y_dim: the number of coordinates of x and of y; y_dim is the number of classes where the task has classes.
      noise: the standard deviation of the noise of values, in contexts and queries alike.
      temperature: of the softmax from which a class is drawn.
      classes: whether y is a class and the loss the cross-entropy; else y are values and the loss is the squared error.
      unidentifiable: why no finite w can be read off z; empty if one can.
      small: how the task is trained at small size.
    """

    name: str
    x_dim: int = 1
    y_dim: int = 1
    noise: float = 0.0
    temperature: float = 1e-6
    classes: ClassVar[bool] = False
    unidentifiable: ClassVar[str] = ""
    one_input: ClassVar[bool] = False  # whether the task is defined for x_dim = 1 alone
    small: ClassVar[Practice] = Practice()

    @property
    def loss(self) -> str:
        """The training loss: "mse" or "cross_entropy"."""
        return "cross_entropy" if self.classes else "mse"

    @property
    def identifiable(self) -> bool:
        """Whether w, or what f depends on of it, is determined by enough pairs."""
        return not self.unidentifiable

    @property
    def latent_dim(self) -> int:
        """The number of coordinates of w."""
        raise NotImplementedError

    def constants(self, key: Key) -> Any:
        """What all functions of one seed share and nobody learns, a pytree; () if there is no such thing."""
        return ()

    def sample_latent(self, key: Key) -> Latent:
        """Draws w."""
        return jax.random.normal(key, (self.latent_dim,))

    def f(self, x: Inputs, w: Latent, constants: Any = ()) -> Answers:
        """The function without noise: values, or the logits of the classes before the temperature.

        Args:
          x: inputs.
          w: the latent of one function.
          constants: the output of `constants` for the same seed.
        """
        raise NotImplementedError

    def observe(self, key: Key, x: Inputs, w: Latent, constants: Any = ()) -> Answers:
        """Draws answers at x: f with normal noise, or the one-hot class from softmax(f / temperature)."""
        clean = self.f(x, w, constants)
        if self.classes:
            return jax.nn.one_hot(jax.random.categorical(key, clean / self.temperature), self.y_dim)
        return clean + self.noise * jax.random.normal(key, clean.shape) if self.noise else clean

    def floor(self, examples: Examples) -> Float[Array, "q"] | None:
        """The least expected squared error at every query that the pairs of one task allow; None without a closed form.

        It is the posterior variance of the answer, noise included; its mean over tasks is the Bayes risk. Without noise
        it is 0 once there are as many pairs as coordinates of w, if w is identifiable. Padding does not count.
        """
        if self.classes or self.noise or not self.identifiable:
            return None
        enough = jnp.sum(examples.mask) >= self.latent_dim
        return jnp.where(enough, jnp.zeros(examples.queries.shape[0]), jnp.nan)


def queries(
    key: Key,
    x: Inputs,
    kind: str,
    intensity: float | Scalar = INTENSITY,
    count: int | None = None,
    n: Int[Array, ""] | int | None = None,
) -> Float[Array, "q x"]:
    """Draws the queries of one task.

    Args:
      key: the key of the draw.
      x: the inputs of the pairs, Float[n, x].
      kind: "iid" (or "same"), N(0, I), independent of the pairs; "near", x_c + 0.1 N(0, I), query i about pair i mod n;
        "far", 0.1 N(0, I) + intensity · u, with u uniform on the unit sphere; "wide", intensity · N(0, I).
      intensity: how far "far" and "wide" are; above 0.
      count: number of queries; None: one a pair.
      n: how many of the pairs are real, the first ones; None: all.

    Raises:
      InputError: the kind is unknown, or the intensity is no number above 0.
    """
    check_intensity(intensity)
    count = len(x) if count is None else count
    draw, direction = (jax.random.normal(part, (count, x.shape[1])) for part in jax.random.split(key))
    if kind in ("iid", "same"):
        return draw
    if kind == "near":
        return x[jnp.arange(count) % (len(x) if n is None else n)] + SPREAD * draw
    if kind == "wide":
        return intensity * draw
    if kind == "far":
        return SPREAD * draw + intensity * direction / jnp.linalg.norm(direction, axis=1, keepdims=True)
    kinds = ", ".join((*EVALUATION_QUERIES, *TRAINING_QUERIES))
    raise InputError(f"queries {kind!r} are unknown: there are {kinds}")


def check_intensity(intensity: Any) -> None:
    """Raises InputError if the intensity, unless it is traced, is no finite number above 0."""
    if not isinstance(intensity, jax.core.Tracer) and not 0 < float(intensity) < float("inf"):
        raise InputError(f"intensity is {intensity}: it must be a number above 0")


def draw(
    task: Task,
    key: Key,
    size: int,
    kind: str,
    *,
    constants: Any = (),
    count: int | None = None,
    n: Int[Array, ""] | int | None = None,
    intensity: float | Scalar = INTENSITY,
) -> Examples:
    """Draws one task: w, pairs with x ~ N(0, I), queries, and the answers of both.

    Under one key and one `count`, the pairs and w are the same whatever the kind of queries.

    Args:
      task: the family.
      key: the key of the draw.
      size: number of pairs, padding included.
      kind: kind of the queries, as in `queries`.
      constants: the output of `task.constants`.
      count: number of queries; None: one a pair.
      n: how many pairs are real, at most `size`; None: all.
      intensity: as in `queries`.
    """
    of_w, of_x, of_queries, of_y = jax.random.split(key, 4)
    w = task.sample_latent(of_w)
    x = jax.random.normal(of_x, (size, task.x_dim))
    asked = queries(of_queries, x, kind, intensity, count, n)
    y = task.observe(of_y, jnp.concatenate([x, asked]), w, constants)
    mask = jnp.arange(size) < (size if n is None else n)
    return Examples(x, y[:size], mask, asked, y[size:], w)
