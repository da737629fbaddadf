"""Fine-tune a model, or a population of models, on one task, and score it on the development set.

    python launch.py --config=configs/finetune.py --config.model=bert-base-uncased --config.task=rte --workdir=DIR
    ... --config.data_dir=FOLDER   (the parent of CoLA/, SST-2/ ...; by default nyu-mll/glue on the hub)

The defaults are the settings of arXiv 2406.12159. Writes `DIR/result.json` and the model to `DIR/model/`. Stopped at
any moment, the same command goes on from its last checkpoint.

Tagged words in CoNLL files, and questions in the format of SQuAD (docs/tasks.md):

    ... --config.task=token_classification --config.train_file=train.txt --config.eval_file=valid.txt
    ... --config.task=question_answering --config.train_file=train-v2.0.json --config.eval_file=dev-v2.0.json \\
        --config.max_length=384 --config.doc_stride=128

LoRA (arXiv 2106.09685) freezes the model and trains adapters and the head; it writes them to `DIR/adapter/` too:

    ... --config.lora_rank=8 --config.lora_targets=query,value --config.learning_rate=1e-3

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
