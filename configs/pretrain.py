"""Pre-train a small encoder, by default with the settings of `geojax-bert-tiny`, the encoder that ships with geojax.

    python launch.py --config=configs/pretrain.py --config.text=train.txt --config.eval_text=held_out.txt \\
        --workdir=runs/pretrain

The objective and the order of the words are settings: `--config.objective=first_character --config.word_order=corpus`;
so is the start: `--config.init=mimetic`, `scale`, or `spectrum --config.init_model=MODEL`.
"""

from configs import schema


def get_config() -> schema.Pretrain:
    """The settings."""
    return schema.Pretrain(
        vocabulary_size=5000,
        layers=2,
        heads=2,
        length=128,
        batch_size=16,
        steps=12000,
        learning_rate=1.5e-3,
        warmup=200,
    )
