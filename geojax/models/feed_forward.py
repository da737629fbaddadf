"""The perceptron of a layer, gated where the type says so (Shazeer 2020, arXiv 2002.05202)."""

from flax import nnx

from geojax.models.config import ModelConfig
from geojax.models.dense import ACTIVATION, Hidden, linear
from geojax.models.dropout import Word, dropout
from geojax.models.norms import norm


class FeedForward(nnx.Module):
    """What the perceptron adds to the residual stream, and the norm before or after it.

    output(act(intermediate(x))), or output(act(gate(x)) · intermediate(x)).
    """

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        self.config = config
        width, inner, bias = config.hidden_size, config.intermediate_size, config.mlp_bias
        if config.architecture.gated:
            self.gate = linear(config, width, inner, rngs, bias=bias)
        self.intermediate = linear(config, width, inner, rngs, bias=bias)
        self.output = linear(config, inner, width, rngs, bias=bias, residual=True)
        self.norm = norm(config, rngs)

    def __call__(self, inputs: Hidden, seed: Word | None) -> Hidden:
        activation = ACTIVATION[self.config.hidden_act]
        if self.config.architecture.gated:
            expanded = activation(self.gate(inputs)) * self.intermediate(inputs)
        else:
            expanded = activation(self.intermediate(inputs))
        return dropout(self.output(expanded), self.config.hidden_dropout_prob, seed)
