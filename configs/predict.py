"""Predict the score of a model that was not fine-tuned, from the geometry of its latent space.

    python launch.py --config=configs/predict.py --config.fit=DIR --config.model=NAME

DIR is the work folder of a study, or of `configs/regress.py`. Measures the model as the study did, and prints the
predicted score with its interval, whether the model lies within the range of the fit, and the evidence for the
prediction; writes the same to `predictions.csv` and `prediction.txt`. Where the fit cannot predict for the model's
family, it prints "no prediction, because" and the reason. Started again with the same model and fit, it prints the
answer without measuring. A small model takes seconds. docs/regression.md defines the coverage of the interval.
"""

from configs.schema import Predict


def get_config() -> Predict:
    """Settings of the experiment."""
    return Predict()
