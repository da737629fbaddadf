"""Train a small encoder from scratch on the sentence vectors of a trained encoder: minutes on two cores, no labels.

    python launch.py --config=configs/sample.py --config.model=TEACHER --config.sequences=sentences.txt \\
        --config.tokens=mean --workdir=runs/teacher
    python launch.py --config=configs/distill.py --config.sentences=sentences.txt \\
        --config.vectors=runs/teacher/layer_06.safetensors --workdir=runs/student

Writes `DIR/model/`, which every experiment takes as `--config.model`, `DIR/metrics.jsonl` and `DIR/result.json`.
Stopped at any moment, the same command goes on.
"""

from configs.schema import Distill


def get_config() -> Distill:
    """Settings of the experiment."""
    return Distill()
