"""Pre-train small encoders, derive 187 models from them, measure and fine-tune all: docs/results/replication.md.

    python launch.py --config=configs/replication.py --config.text=A.txt,B.txt --config.eval_text=C.txt \\
        --config.data_dir=GLUE --config.model=FOLDER --workdir=DIR --sweep --ledger=results.jsonl

Its work units run on one or many machines (docs/sweeps.md); --dry_run in place of --sweep tells what each takes.
Writes `DIR/results.csv`, a row a model, and `DIR/layers.csv`, a row a layer and measure; with --collect, from the
ledger alone.
"""

from configs.schema import Replication


def get_config() -> Replication:
    """Settings of the experiment."""
    return Replication()
