"""Measures of a stream of points that is not held in memory: `init`, `update`, `merge`, `finish`, in any loop.

`moments` keeps sufficient statistics, which determine the spectral measures up to rounding; `reservoir` keeps a uniform
sample of whole points for all other measures.

    from geojax.streaming import moments

    state = moments.init(d=768)
    for batch in batches:                       # any loop: also inside your own jit or lax.scan
        hidden, mask = model(batch)             # Float[B, T, d] and [B, T]: JAX, NumPy, torch or anything with DLPack
        state = moments.update(state, hidden, mask)
    moments.finish(state, "eee,isoscore")       # {"eee": ..., "isoscore": ...}

A state is a pytree of arrays: `jax.vmap(update)` updates all layers at once, and a checkpoint stores a state unchanged.
`merge`, or `merge_over` in a `shard_map`, combines the states of several processes or devices.
"""

from geojax.streaming import moments, reservoir

__all__ = ["moments", "reservoir"]
