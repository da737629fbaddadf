"""Local topology of every token vector of texts, layer by layer: codensity, persistence, local dimension.

    python launch.py --config=configs/topology.py --config.model=bert-base-uncased --config.sequences=texts.txt \\
        --workdir=runs/topology
    ... --config.store=more.txt    the neighbours are vectors of other texts
    ... --config.masked=true       vectors at a mask token in place of each token

For the nearest vectors of every token in a datastore, by default the vectors of the same texts: distances to the k-th
nearest, norms and images of the persistence diagrams of degree 0 and 1, local dimension (arXiv 2408.03706, 2506.01034;
docs/topology.md defines them).

Writes `DIR/layer_NN.npz` for every layer, with `features` (a row a token), the names of their `columns`, and
`sequence_index`, `position` and `token_id` of every token; `DIR/topology.csv`, mean, standard deviation and quantiles
of every feature but the cells of images, a row a layer and feature; `DIR/topology.json` with the origin of the vectors;
and, with several layers, the figure `DIR/layers.svg`.
Started again after an interruption, it computes the missing layers.
"""

from configs.schema import Topology


def get_config() -> Topology:
    """Settings of the experiment."""
    return Topology()
