"""Fine-tune a model on one GLUE task and score it on the development set.

    python launch.py --config=configs/finetune.py --config.model=bert-base-uncased --config.task=rte --workdir=DIR
    ... --config.data_dir=FOLDER   (the parent of CoLA/, SST-2/ ...; without it the hub's nyu-mll/glue)

The defaults are the settings of arXiv 2406.12159. Writes `DIR/result.json` and the model to `DIR/model/`. Stopped at
any moment, the same command goes on from its last checkpoint.
"""

from configs.schema import Finetune


def get_config() -> Finetune:
    """Settings of the experiment."""
    return Finetune()
