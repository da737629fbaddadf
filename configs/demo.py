"""The whole study in under three minutes on two cores, on the encoder and the miniature tasks that ship with geojax.

    python launch.py --config=configs/demo.py --workdir=runs/demo        (or: make demo)

geojax-bert-tiny and twelve copies of it with noise on their weights, each measured on generated sentences and
fine-tuned on four miniature tasks (not GLUE). Writes `results.csv`, `regression.csv` and `report.html` in the folder.
"""

from configs.schema import Study


def get_config() -> Study:
    """The settings of the demonstration."""
    return Study(
        model="geojax-bert-tiny",
        sequences="miniature",
        tasks="mini_acceptability,mini_paraphrase,mini_entailment,mini_similarity",
        alphas="0,8,16,24,36,60,100",
        noise_seeds="0,1",
        codebook_size=64,
        epochs=3,
        learning_rate=5e-4,
        batch_size=16,
        max_length=16,
    )
