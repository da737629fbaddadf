"""Sample the latent space of a model into files.

    python launch.py --config=configs/sample.py --config.model=bert-base-uncased --config.layers=all --workdir=DIR

Writes one `DIR/layer_NN.safetensors` a layer: points, sequence index, position and token id of each, and how they were
made. `configs/measure.py` takes such a file as its `cloud`.
"""

from configs.schema import Sample


def get_config() -> Sample:
    """Settings of the experiment."""
    return Sample()
