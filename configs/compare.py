"""Compare the latent spaces of several models on the same sequences.

    python launch.py --config=configs/compare.py --config.models=A,B,C --workdir=DIR
    python launch.py --config=configs/compare.py --config.models=A,B --config.layers=all --config.tokens=mean \\
        --config.measures=cka,mutual_knn --workdir=DIR

Measures of one space give `DIR/compare.csv` with the columns model_a, model_b, measure, difference (value of a - value
of b), std_error (paired) and separable (whether the 95 % interval excludes 0; empty where the error is not known), and
`DIR/measures.csv` with the values, of the last layers.

Measures of a pair of spaces (`similarity` names all, docs/similarity.md tells what each says) give `DIR/similarity.csv`
with the columns model_a, layer_a, model_b, layer_b, measure, value and std_error, a row for each pair of the layers
that `--config.layers` names, and the heat map `DIR/similarity.svg`. Tokens of two tokenizers do not stand beside each
other: take one point a sequence, `--config.tokens=mean`, or a word, `--config.tokens=word`.

A model that cannot be measured is left out and named at the end, with an exit status that is not zero. Started again
after an interruption, it samples and measures the missing models and pairs; when all are done, it shows the values.
"""

from configs.schema import Compare


def get_config() -> Compare:
    """Settings of the experiment."""
    return Compare()
