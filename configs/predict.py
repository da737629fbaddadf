"""Predict the score of a model that was not fine-tuned, from the geometry of its latent space.

    python launch.py --config=configs/predict.py --config.fit=DIR --config.model=NAME

DIR is the work folder of a study, or of `configs/regress.py`. Measures the model as the study did, prints the
predicted score with its interval, whether the model lies within the range of the fit, and what the prediction rests
on; writes the same to `predictions.csv` and `prediction.txt`. Where no fit covers the model's family it says "no
prediction, because". Started again with the same model and fit, it prints the answer without measuring.
Seconds for a small model. docs/regression.md tells what the interval promises.
"""

from configs.schema import Predict


def get_config() -> Predict:
    """Settings of the experiment."""
    return Predict()
