"""Starts of a training: the parameters of a new encoder, and what changes them before the first step.

| start | what it is |
|---|---|
| `standard` | normal kernels and embeddings, positions as sinusoids |
| `mimetic` | attention whose products of kernels are near the identity (arXiv 2305.09828) |
| `rotated` | the same with every factor turned at random: equal spectra and norms, no identity |
| `spectrum` | the singular values of a trained encoder's kernels, in random orthonormal bases |
| `scale` | every dense layer scaled to outputs of unit variance on one batch (arXiv 1511.06422) |
| `frequency` | the bias of the masked-LM head is the log frequency of the tokens |
| `displaced` | moved as far as another start, tensor by tensor, in a random direction |

All functions are pure, and can be traced. `geojax.training.geometry` moves parameters until measures of the hidden
states have given values; `surgery.reinitialise(..., keep_embeddings=True)` keeps trained embeddings.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from geojax.errors import InputError
from geojax.models.apply import Apply, Params, init
from geojax.models.config import ModelConfig
from geojax.models.network import Network
from geojax.typing import Key

RANDOM, IDENTITY = 0.7, 0.7  # weights of the random matrix and of the identity in a mimetic product


def sinusoids(length: int, width: int) -> Float[np.ndarray, "length width"]:
    """Sinusoidal position embeddings of falling frequency (Vaswani et al. 2017, arXiv 1706.03762, section 3.5).

    The sines come first, then the cosines. `width` is even.
    """
    angles = np.arange(length)[:, None] / 10000.0 ** (2 * np.arange(width // 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def standard(apply: Apply, key: Key) -> Params:
    """New parameters, as `models.init` draws them, with sinusoids times `initializer_range` as position embeddings.

    Position embeddings start as sinusoids and are then learned, because a short training is not enough to learn from
    random ones which positions are neighbours.
    """
    params = init(apply, key)
    positions = sinusoids(apply.config.max_position_embeddings, apply.config.hidden_size)
    params["embeddings"]["position_embeddings"]["embedding"] = apply.config.initializer_range * jnp.asarray(positions)
    return params


def mimetic(key: Key, params: Params, config: ModelConfig) -> Params:
    """Attention kernels like those of trained transformers: products of kernels are near the identity.

    For every head W_Q W_K' is the best approximation of rank d / heads to 0.7 Z + 0.7 I, and over all heads
    W_V W_O = 0.7 Z + 0.7 I, each with its own Z of entries N(0, 1 / d). The two factors of a product are
    U S^(1/2) and V S^(1/2) of its singular value decomposition U S V'. Everything else stays.

    Raises:
      InputError: heads that share keys, or whose widths do not add up to d.

    Cost: O(layers heads d^3).

    Reference: Trockman & Kolter 2023, "Mimetic initialization of self-attention layers", arXiv 2305.09828, section 3;
    there W_V W_O has its own two weights, with a negative one of the identity.
    """
    return _with_attention(key, params, config, turned=False)


def rotated(key: Key, params: Params, config: ModelConfig) -> Params:
    """The placebo of `mimetic`: the same draw with every factor turned by its own random rotation of the d axes.

    The singular values of every factor and of every product are those of `mimetic` with the same key, and so are all
    norms; no product is near the identity.

    Cost: O(layers heads d^3).
    """
    return _with_attention(key, params, config, turned=True)


def spectrum(key: Key, params: Params, trained: Params) -> Params:
    """Kernels of the layers with the singular values of a trained encoder's, in random orthonormal bases.

    A kernel becomes U S V' with S the singular values of the trained kernel and U, V uniform. Everything else stays.

    Raises:
      InputError: the trained encoder has other layers, or layers of other widths.

    Cost: O(layers d^3).
    """
    kernels, others = ({path: leaf for path, leaf in _leaves(tree["encoder"])} for tree in (params, trained))
    own, given = ({path: leaf.shape for path, leaf in some.items()} for some in (kernels, others))
    if own != given:
        wrong = next(path for path in (*own, *given) if own.get(path) != given.get(path))
        raise InputError(
            f"the kernel {'/'.join(wrong)} is {own.get(wrong)} here and {given.get(wrong)} in the trained encoder: "
            "give one with as many layers of the same widths"
        )

    def drawn(place: int, path: tuple[str, ...]) -> Array:
        first, second = jax.random.split(jax.random.fold_in(key, place))
        values = jnp.linalg.svd(others[path], compute_uv=False)
        left, right = (_orthonormal(k, n, len(values)) for k, n in zip((first, second), own[path], strict=True))
        return (left * values) @ right.T

    return _with_kernels(params, {path: drawn(place, path) for place, path in enumerate(own)})


@partial(jax.jit, static_argnames="apply")
def scale(params: Params, input_ids: Int[Array, "B T"], *, apply: Apply) -> Params:
    """Kernels of the layers divided so that each dense layer's outputs have variance 1 on a batch, first to last.

    The variance is that over all tokens and units of the product with the kernel; a bias, 0 at the start, stays. A
    kernel that several layers share is scaled wherever it is used, and is right where it is used last.

    Args:
      params: parameters of a model.
      input_ids: windows without padding.
      apply: the model's function.

    Cost: a forward pass.

    Reference: Mishkin & Matas 2016, "All you need is a good init", arXiv 1511.06422, algorithm 1, without the
    orthonormal start; linear layers need one iteration.
    """
    config, used = apply.config, {name: params[name] for name in ("embeddings", "encoder")}
    graph, state = nnx.split(nnx.eval_shape(lambda: Network(config, None, None, False, rngs=nnx.Rngs(0))))
    nnx.replace_by_pure_dict(state, used)
    network = nnx.merge(graph, state)

    def product(module: nnx.Linear, inputs: Array, kernel: Array, *dimensions: Any, **options: Any) -> Array:
        outputs = jax.lax.dot_general(inputs, kernel, *dimensions, **options)
        deviation = jnp.std(outputs)
        module.kernel[...] = kernel / deviation
        return outputs / deviation

    for _, module in nnx.iter_modules(network.encoder):
        if isinstance(module, nnx.Linear):
            module.dot_general = partial(product, module)
    mask, seeds = jnp.ones(input_ids.shape, bool), (None,) * (config.num_hidden_layers + 1)
    network.states(input_ids, mask, jnp.zeros_like(input_ids), None, seeds, dtype="float32", remat=False)
    return params | {"encoder": nnx.to_pure_dict(nnx.state(network.encoder, nnx.Param))}


def frequency(params: Params, counts: Int[np.ndarray, "V"]) -> Params:
    """The bias of the masked-LM head is log((count + 1) / sum), so that the first predictions are the frequencies."""
    shares = (np.asarray(counts) + 1) / np.sum(np.asarray(counts) + 1)
    return params | {"head": params["head"] | {"bias": jnp.asarray(np.log(shares), jnp.float32)}}


@jax.jit
def displaced(key: Key, params: Params, moved: Params) -> Params:
    """The parameters moved in a random direction, each tensor as far as it lies from the same tensor of `moved`."""
    flat, unravel = ravel_pytree(params)
    directions = unravel(jax.random.normal(key, flat.shape))

    def one(leaf: Array, other: Array, direction: Array) -> Array:
        return leaf + direction * jnp.linalg.norm(other - leaf) / jnp.linalg.norm(direction)

    return jax.tree.map(one, params, moved, directions)


@partial(jax.jit, static_argnames=("config", "turned"))
def _with_attention(key: Key, params: Params, config: ModelConfig, *, turned: bool) -> Params:
    """Parameters with mimetic attention in every layer."""
    width, heads = config.hidden_size, config.num_attention_heads
    if config.key_value_heads != heads or heads * config.head_width != width:
        raise InputError(
            f"{config.key_value_heads} heads of keys for {heads} of queries, each {config.head_width} wide of {width}: "
            "mimetic attention needs square kernels"
        )
    keys = jax.random.split(key, (config.distinct_layers, heads + 1))
    left, right = jax.vmap(jax.vmap(partial(_factors, width=width, turned=turned)))(keys)
    kernels = {}
    for place in range(config.distinct_layers):
        query, keyed = (jnp.concatenate(list(side[place, :-1, :, : width // heads]), 1) for side in (left, right))
        named = {"query": query, "key": keyed, "value": left[place, -1], "output": right[place, -1].T}
        kernels |= {(str(place), "attention", name, "kernel"): kernel for name, kernel in named.items()}
    return _with_kernels(params, kernels)


def _factors(key: Key, width: int, turned: bool) -> tuple[Float[Array, "d d"], Float[Array, "d d"]]:
    """A and B with AB' = 0.7 Z + 0.7 I, each turned if asked; their first r columns give the best rank r."""
    key_product, *keys = jax.random.split(key, 3)
    random = jax.random.normal(key_product, (width, width)) / jnp.sqrt(width)
    left, values, right = jnp.linalg.svd(RANDOM * random + IDENTITY * jnp.eye(width))
    pair = left * jnp.sqrt(values), right.T * jnp.sqrt(values)
    if not turned:
        return pair
    return tuple(_orthonormal(k, width, width) @ factor for k, factor in zip(keys, pair, strict=True))


def _orthonormal(key: Key, rows: int, columns: int) -> Float[Array, "rows columns"]:
    """Uniform orthonormal columns, from the QR decomposition with a positive diagonal (Mezzadri 2007)."""
    basis, triangle = jnp.linalg.qr(jax.random.normal(key, (rows, columns)))
    return basis * jnp.sign(jnp.diagonal(triangle))


def _leaves(encoder: Params) -> list[tuple[tuple[str, ...], Array]]:
    """The kernels of the layers with their paths."""
    found = jax.tree_util.tree_leaves_with_path(encoder)
    paths = [(tuple(part.key for part in path), leaf) for path, leaf in found]
    return [(path, leaf) for path, leaf in paths if path[-1] == "kernel"]


def _with_kernels(params: Params, kernels: dict[tuple[str, ...], Array]) -> Params:
    """Parameters with other kernels at some paths of the layers."""

    def one(path: tuple[Any, ...], leaf: Array) -> Array:
        return kernels.get(tuple(part.key for part in path), leaf)

    return params | {"encoder": jax.tree_util.tree_map_with_path(one, params["encoder"])}
