"""Fine-tune a model, or a population of models, on one GLUE task, and score it on the development set.

    python launch.py --config=configs/finetune.py --config.model=bert-base-uncased --config.task=rte --workdir=DIR
    ... --config.data_dir=FOLDER   (the parent of CoLA/, SST-2/ ...; by default nyu-mll/glue on the hub)

The defaults are the settings of arXiv 2406.12159. Writes `DIR/result.json` and the model to `DIR/model/`. Stopped at
any moment, the same command goes on from its last checkpoint.

A population trains as one compiled step and gives each member the result of its single run:

    ... --config.population=4                                       (seeds 42, 43, 44, 45)
    ... --config.population=4 --config.alphas=0,2,5 --config.noise_seeds=0,1     (five members, four of them at once)
    ... --config.population=0 --config.seeds=1,2,3 --config.learning_rates=1e-5,2e-5   (as many at once as memory holds)

Members are all combinations of the lists, level 0 once. Writes `DIR/members/NAME/` as for one model, and the table
`DIR/results.csv`.
"""

from configs.schema import Finetune


def get_config() -> Finetune:
    """Settings of the experiment."""
    return Finetune()
