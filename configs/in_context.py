"""Train models that learn tasks in context, with and without a latent vector z (arXiv 2405.19162), and audit them.

    python launch.py --config=configs/in_context.py --config.tasks=linear,sinusoid --config.size=small --workdir=DIR
    python launch.py --config=configs/in_context.py --config.tasks=linear --config.size=tiny --config.seeds=2 \\
        --config.models=transformer,known --config.sites=none --workdir=DIR

Tasks: linear, sinusoid, sinusoid_10, sinusoid_drawn, linear_classes, mlp, mlp_classes, lowrank_mlp,
lowrank_mlp_classes, gp, gp_matern. Models: implicit (no z), transformer, mlp, known (the true function answers), aux
(w is a second output), true_latent (w in place of z).

Errors are measured with queries as in training (iid), far off (far) and spread out (wide), beside the least error that
is possible; probes read w from z and from every layer; `refit` gives the answers of the true function to what the probe
reads. An interchange moves a state of one task to that of another within `rank` dimensions and compares with the
function of the other task. A site is `PART[:LAYERS][@LATENTS]`:

    z            the vector z of a model that has one
    z@0          the same, where only the first coordinate of w is to change
    last:2       of implicit, the last pair after block 2; context:2: all pairs; queries:1+2: all queries, two layers

Every task and model is a work unit, all seeds at once. Writes `DIR/in_context.jsonl`, a line a unit, from which a
stopped run goes on; `DIR/in_context.csv`, a row a task, model and kind of queries; `DIR/layers.csv`, a row a state and
time of training with its probe and measures; `DIR/population.csv`, a row a model and time of training, for
configs/regress.py; and the figure `DIR/in_context.svg`, the iid against the wide error, a dot a model. Trained models
stay in `DIR/models`, so that other ranks, sites or measures need no new training. docs/in_context.md tells more.
"""

from configs.schema import InContext


def get_config() -> InContext:
    """Settings of the experiment."""
    return InContext()
