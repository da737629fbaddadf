"""Measures of a cloud that is never held: `init`, `update`, `merge`, `finish`, in anyone's loop.

`moments` keeps sufficient statistics, from which the spectral measures follow exactly; `reservoir` keeps a uniform
sample of whole points, for all other measures.

    from geojax.streaming import moments

    state = moments.init(d=768)
    for batch in batches:                       # any loop: also inside your own jit or lax.scan
        hidden, mask = model(batch)             # Float[B, T, d] and [B, T]: JAX, NumPy, torch or anything with DLPack
        state = moments.update(state, hidden, mask)
    moments.finish(state, "eee,isoscore")       # {"eee": ..., "isoscore": ...}

A state is a pytree of arrays: `jax.vmap(update)` takes all layers at once, and a checkpoint takes it as it is. Parts
that other processes saw are put together by `merge`, or in a `shard_map` by `merge_over`.
"""

from geojax.streaming import moments, reservoir

__all__ = ["moments", "reservoir"]
