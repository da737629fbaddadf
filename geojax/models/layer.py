"""A transformer layer: attention and a perceptron, with the norms before or after them."""

from flax import nnx

from geojax.models.attention import Attention
from geojax.models.config import ModelConfig
from geojax.models.dense import Hidden
from geojax.models.dropout import Word, split
from geojax.models.feed_forward import FeedForward
from geojax.models.positions import Places


class Layer(nnx.Module):
    """The layer of an index.

    The same perceptron reads what attention gave, or in a model with parallel residuals what attention read.
    """

    def __init__(self, config: ModelConfig, index: int, *, rngs: nnx.Rngs):
        self.config = config
        self.normed = config.architecture.first_norm or index > 0
        self.attention = Attention(config, normed=self.normed, rngs=rngs)
        self.feed_forward = FeedForward(config, rngs=rngs)

    def __call__(self, hidden: Hidden, places: Places, seed: Word | None) -> Hidden:
        seed_attention, seed_output = split(seed, 2)
        attention, feed_forward = self.attention, self.feed_forward
        if not self.config.architecture.pre_norm:
            hidden = attention.norm(hidden + attention(hidden, places, seed_attention))
            return feed_forward.norm(hidden + feed_forward(hidden, seed_output))
        inputs = attention.norm(hidden) if self.normed else hidden
        attended = hidden + attention(inputs, places, seed_attention)
        inputs = hidden if self.config.use_parallel_residual else attended
        return attended + feed_forward(feed_forward.norm(inputs), seed_output)
