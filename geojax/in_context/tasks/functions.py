"""Tasks whose function is written down: linear, sums of sines, random perceptrons; values or classes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from geojax.in_context.tasks.base import Answers, Examples, Inputs, Latent, Practice, Task
from geojax.typing import Key

HIDDEN = 64  # units of a perceptron
FASTEST = 5.0  # bound of the frequencies of sines
# 5 · U(0, 1) from the Mersenne twister with seed 1, 24 bits a number.
FREQUENCIES = (
    *(3.7881579995155334, 1.396554410457611, 2.0153462886810303, 3.673422336578369, 0.14640778303146362),
    *(3.9992931485176086, 1.985686719417572, 3.7718597054481506, 2.847542464733124, 2.193889617919922),
)


def with_one(x: Inputs) -> Float[Array, "n columns"]:
    """(x, 1)."""
    return jnp.concatenate([x, jnp.ones((*x.shape[:-1], 1), x.dtype)], axis=-1)


@dataclass(frozen=True)
class Linear(Task):
    """y = (x, 1) · w, w ~ N(0, I); the last coordinate of w is the intercept."""

    @property
    def latent_dim(self) -> int:
        """x_dim slopes and the intercept."""
        return self.x_dim + 1

    def f(self, x: Inputs, w: Latent, constants: Any = ()) -> Answers:
        """(x, 1) · w."""
        return with_one(x) @ w[:, None]

    def floor(self, examples: Examples) -> Float[Array, "q"]:
        """φᵀ S φ + σ² with φ = (x_q, 1), S = (ΦᵀΦ / σ² + I)⁻¹; without noise S projects on what no pair shows."""
        rows, asked = with_one(examples.x) * examples.mask[:, None], with_one(examples.queries)
        eye = jnp.eye(self.latent_dim)
        if self.noise:
            rest = jnp.linalg.solve(rows.T @ rows / self.noise**2 + eye, asked.T)
        else:
            rest = (eye - jnp.linalg.pinv(rows, rtol=1e-5) @ rows) @ asked.T
        return jnp.maximum(jnp.sum(asked.T * rest, axis=0), 0.0) + self.noise**2


@dataclass(frozen=True)
class LinearClasses(Task):
    """y ~ softmax((x, 1) W / T), W ~ N(0, 1)^{(x+1) × C}; w is W, row by row, which pairs show up to a shift of a row.

    As T falls to 0, they do not show the scale either.
    """

    classes: ClassVar[bool] = True

    @property
    def latent_dim(self) -> int:
        """The entries of W."""
        return (self.x_dim + 1) * self.y_dim

    def f(self, x: Inputs, w: Latent, constants: Any = ()) -> Answers:
        """The logits (x, 1) W."""
        return with_one(x) @ w.reshape(self.x_dim + 1, self.y_dim)


@dataclass(frozen=True)
class Sinusoid(Task):
    """y = Σ_j a_j sin(f_j x), a ~ U(−1, 1), with fixed frequencies f, as many as `terms`; w is a.

    With `drawn`, f ~ 5 · U(0, 1) is drawn with every task, and w is (a, f), which pairs show up to the order of terms.
    """

    terms: int = 3
    drawn: bool = False
    one_input: ClassVar[bool] = True
    small: ClassVar[Practice] = Practice(8, 32, 12_000, 1e-3)

    @property
    def latent_dim(self) -> int:
        """The amplitudes, and the frequencies if they are drawn."""
        return self.terms * (1 + self.drawn)

    def sample_latent(self, key: Key) -> Latent:
        """U(−1, 1) for amplitudes, U(0, 5) for drawn frequencies."""
        low, high = jnp.array([-1.0, 0.0]), jnp.array([1.0, FASTEST])
        uniform = jax.random.uniform(key, (1 + self.drawn, self.terms))
        bounds = low[: len(uniform), None], high[: len(uniform), None]
        return (bounds[0] + (bounds[1] - bounds[0]) * uniform).reshape(-1)

    def f(self, x: Inputs, w: Latent, constants: Any = ()) -> Answers:
        """Σ_j a_j sin(f_j x)."""
        frequencies = w[self.terms :] if self.drawn else jnp.array(FREQUENCIES[: self.terms])
        return jnp.sin(x * frequencies) @ w[: self.terms, None]


def perceptron(x: Inputs, w: Latent, outputs: int) -> Answers:
    """One hidden ReLU layer of 64; w is its weights and biases: W₁ row by row, b₁, W₂ row by row, b₂."""
    inputs = x.shape[-1]
    parts = jnp.split(w, [inputs * HIDDEN, (inputs + 1) * HIDDEN, (inputs + 1 + outputs) * HIDDEN])
    hidden = jax.nn.relu(x @ parts[0].reshape(inputs, HIDDEN) + parts[1])
    return hidden @ parts[2].reshape(HIDDEN, outputs) + parts[3]


@dataclass(frozen=True)
class Perceptron(Task):
    """y = a perceptron with one hidden ReLU layer of 64, every weight and bias N(0, 1).

    Without noise, Var y = 32 (x_dim + 1) + 1 for x ~ N(0, I).
    """

    unidentifiable: ClassVar[str] = "permutations of the hidden units leave the function as it is"

    @property
    def latent_dim(self) -> int:
        """The number of weights and biases."""
        return HIDDEN * (self.x_dim + 1) + (HIDDEN + 1) * self.y_dim

    def f(self, x: Inputs, w: Latent, constants: Any = ()) -> Answers:
        """The output of the perceptron."""
        return perceptron(x, w, self.y_dim)


@dataclass(frozen=True)
class PerceptronClasses(Perceptron):
    """y ~ softmax(the outputs of a perceptron / T)."""

    classes: ClassVar[bool] = True
