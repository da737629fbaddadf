"""Find how many sequences a measurement needs: values, errors and biases against the number of sequences.

    python launch.py --config=configs/plan.py --config.model=bert-base-uncased --config.epsilon=0.01 --workdir=DIR

Measures sub-samples of whole sequences (all, a half, a quarter, ...), writes `DIR/plan.csv` (measure, n_sequences, n,
value, std_error, bias) and prints, one line a measure, how many sequences bring sqrt(bias^2 + SE^2) to epsilon, or why
no number does. Takes a few times as long as measuring the model once; started again, it only prints the answers.
"""

from configs.schema import Plan


def get_config() -> Plan:
    """Settings of the experiment."""
    return Plan()
