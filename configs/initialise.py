"""Train encoders from many starts, and compare the steps that each needs to a masked-LM loss: docs/initialisation.md.

    python launch.py --config=configs/initialise.py --config.text=A.txt,B.txt --config.eval_text=C.txt \\
        --config.data_dir=GLUE --workdir=DIR --sweep --executor=local --workers=2
    ... --config.stage=development      then look, confirmatory and exploratory

A start with the geometry of a trained encoder is compared with the standard one and with placebos. The stages go in
this order in one work folder: `rates` chooses the learning rates, `DIR/rates.json`; `development` the loss that counts,
and whether the runs are long enough, `DIR/development.json`; `look` does three seeds and says whether to stop;
`confirmatory` does the others, and analyses all of them once: `DIR/confirmatory.csv` and `DIR/curves.svg`;
`exploratory` does the other arms, or some with `--config.arms=held,rotated`: `DIR/exploratory.csv`. Every run is a work
unit, which goes on where it was stopped. The encoder that gives targets is trained first, on every second paragraph of
the text, the others' text. Writes `DIR/runs.csv` too, a row a run, and `DIR/outcomes.csv`, the means of the arms.
"""

from configs.schema import Initialise


def get_config() -> Initialise:
    """Settings of the experiment."""
    return Initialise()
