"""The study: perturb, sample, measure and fine-tune a pool of models, regress the scores, report.

    python launch.py --config=configs/study.py --config.model=bert-base-uncased --workdir=DIR

Every draw of noise at every level is one model, which is measured once and fine-tuned on every task. Writes
`DIR/results.csv` (a row a model), `DIR/regression.csv` and `DIR/report.html`. Each measurement and each fine-tuning
is a work unit with a folder of its own: stopped at any moment, the same command goes on with the missing units.
With --sweep the units run in many processes and on many machines (docs/sweeps.md).
With `--config.population=8`, eight models of one base are fine-tuned on a task as one compiled step.
"""

from configs.schema import Study


def get_config() -> Study:
    """Settings of the experiment."""
    return Study()
