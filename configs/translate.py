"""Translate the vectors of one encoder into those of another, and tell before use how much of them is kept.

Change the encoder of a vector store without encoding it again: fit a bridge on texts that both encoders read, see what
it keeps of texts that it has not seen, and translate the store.

    python launch.py --config=configs/translate.py --config.models=OLD,NEW --config.text=texts.txt \\
        --config.vectors=store.npy --workdir=runs/bridge
    python launch.py --config=configs/translate.py --config.bridge=runs/bridge/bridge.safetensors \\
        --config.vectors=more.npy --workdir=runs/more

`texts.txt` has a text a line, each once, like those of the store; a row of `store.npy` is a vector of OLD, made as the
settings `layers`, `pooling` and `normalise` say. Without `vectors` the first command saves and tells, and translates
nothing. The bridge is by ridge regression, which never fails in docs/results/translation.md, unless `method` names
another; the command says which of `methods` retrieves most held-out texts.

With a task the command trains a head in every space and lets it read the vectors of every other space, without further
training (zero-shot stitching); it takes less than a minute of two cores on the model that ships with geojax:

    python launch.py --config=configs/translate.py --config.models=geojax-bert-tiny --config.layers=1,2 \\
        --config.task=mini_acceptability --config.anchors=64,128,500 --workdir=runs/stitching
    python launch.py --config=configs/translate.py --config.models=A,B --config.layers=4,6/1,2 --config.task=sst2 \\
        --config.data_dir=GLUE --workdir=runs/sst2

A task is one of GLUE with classes, a miniature task, or a file NAME.tsv whose first line names the columns text and
label. Anchors are drawn from its training texts, and no held-out text is among them. Methods:

    irp             inverse relative projection (arXiv 2406.15057), singular values up to .1 of the largest dropped
    irp:RCOND       with another share, such as irp:1e-4; irp:0 is the plain pseudo-inverse
    irp_subspaces   the mean of 8 such maps, each from d / 8 anchors far from one another
    ortho           the best orthogonal matrix (Procrustes)    l-ortho   the one nearest to the linear map
    linear          least squares    affine   with an intercept, the same for centred anchors    ridge   with penalty .1
    none            vectors as they are    random   a random orthogonal matrix

Writes `DIR/translate.csv`, a row an ordered pair of spaces, method and number of anchors: accuracy of the target's head
on translated held-out texts and the share kept, (accuracy - chance) / (own - chance), retrieval@1 and @10 of the own
vector among the held-out ones of the target by cosine, cosine, R2, each with the standard error over draws of anchors
(_se) and an interval over texts and draws (_low, _high); rank and condition of the maps; and of the pair debiased CKA,
mutual kNN, chance, the accuracy of the heads in their own spaces, of vectors as they are (as_is) and by a random map.
`DIR/ranking.csv`: Kendall's tau between each column that needs no labels and the share kept, with an interval by
resampling groups of pairs, a group for every two models. `DIR/translate.md` for reading, the figures
`DIR/translate.svg` (share kept, spaces by spaces) and `DIR/curves.svg` (against the number of anchors),
`DIR/result.json`; with a text file `DIR/bridge.safetensors`, and with vectors `DIR/vectors.npy`, float32.
Started again after an interruption, it keeps the encoded texts and the pairs that are done.
"""

from configs.schema import Translate


def get_config() -> Translate:
    """Settings of the experiment."""
    return Translate()
