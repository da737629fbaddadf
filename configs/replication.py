"""Pre-train some sixty small encoders, make 187 models of them, measure and fine-tune all: docs/results/replication.md.

    python launch.py --config=configs/replication.py --config.text=A.txt,B.txt --config.eval_text=C.txt \\
        --config.data_dir=GLUE --config.model=FOLDER --workdir=DIR --sweep --ledger=results.jsonl

Its work units run here, or anywhere (docs/sweeps.md). Writes `DIR/results.csv`, a row a model, and `DIR/layers.csv`, a
row a layer and measure; with --collect, from the ledger alone.
"""

from configs.schema import Replication


def get_config() -> Replication:
    """Settings of the experiment."""
    return Replication()
