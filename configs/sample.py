"""Sample the latent space of a model into files.

    python launch.py --config=configs/sample.py --config.model=bert-base-uncased --config.layers=all --workdir=DIR

Writes one `DIR/layer_NN.safetensors` a layer, with the points, the sequence index, position and token id of each point,
and their provenance; and `DIR/clouds.json`, which lists the files. `configs/measure.py` takes such a file as its
`cloud`. Started again after an interruption, it keeps the files that exist; when all exist, it does nothing.
"""

from configs.schema import Sample


def get_config() -> Sample:
    """Settings of the experiment."""
    return Sample()
