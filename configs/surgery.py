"""Make a non-standard model of the study in seconds: transplanted or shuffled embeddings, or untrained parameters.

    python launch.py --config=configs/surgery.py --config.model=bert-base-chinese --config.operation=transplant \\
        --config.donor=bert-base-uncased --workdir=runs/bert-base-chinese-english-words
    python launch.py --config=configs/surgery.py --config.model=bert-base-uncased --config.operation=untrained \\
        --config.keep_embeddings=true --workdir=runs/bert-base-untrained-but-embeddings

The work folder is a model folder: give it to any experiment as --config.model.
"""

from configs import schema


def get_config() -> schema.Surgery:
    """The settings."""
    return schema.Surgery()
