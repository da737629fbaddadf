"""Fine-tune one encoder with geojax and with transformers and PyTorch, seed by seed, and compare the scores.

    python launch.py --config=configs/side_by_side.py --config.model=FOLDER --config.data_dir=GLUE --workdir=DIR

The encoder is a folder, or an encoder that ships with geojax; PyTorch comes with `pip install '.[peers]'`. Both sides
take the settings of arXiv 2406.12159. Writes `DIR/runs.csv`, a row a run, and `DIR/tasks.csv`, a row a task. The runs
are work units: stopped at any moment, the same command goes on, and `--sweep` spreads the runs over machines.
"""

from configs.schema import SideBySide


def get_config() -> SideBySide:
    """Settings of the experiment."""
    return SideBySide()
