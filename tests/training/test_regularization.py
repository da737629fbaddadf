"""The term that a measure adds to the loss, and that no compiled step of a training calls the host."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from stand_ins import one_layer, random_windows

from geojax import models
from geojax.quantizers import product
from geojax.training import distill, pretrain, regularize, step

CONFIG = models.ModelConfig(
    vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    max_position_embeddings=20, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
RATES = pretrain.rates_of(20, 2, 1e-3)
IDS = random_windows(8)
QUANTIZER = product.Quantizer(jnp.ones((4, 8, 4)), jnp.zeros(16), jnp.float32(1))


def test_the_term_is_the_square_of_the_logarithm_of_what_is_missed():
    def value(quantizer, hidden, mask):
        return jnp.sum(jnp.where(mask[..., None], hidden, 0))

    hidden, mask = jnp.array([[[1.0], [2.0], [9.0]]]), jnp.array([[True, True, False]])
    term = partial(regularize.penalty_of, value, jnp.float32(5.0))
    assert term(jnp.float32(3.0), QUANTIZER, hidden, mask) == 0
    for target in (3.0 * np.e, 3.0 / np.e):
        np.testing.assert_allclose(term(jnp.float32(target), QUANTIZER, hidden, mask), 5.0, rtol=1e-6)


def programs():
    """The steps of all trainings: functions, and the arrays that they are traced with."""
    key = jax.random.key(0)
    apply, words = models.make_apply(CONFIG, "masked_lm"), models.make_apply(CONFIG, "classification", 3)
    state, student = (jax.eval_shape(partial(pretrain.start, own, RATES, key)) for own in (apply, words))
    options = {"apply": apply, "rates": RATES}
    found = {"plain": (partial(pretrain.train_step, **options), state, IDS, key)}
    for measure in regularize.MEASURES:
        term = partial(regularize.penalty_of, partial(regularize.differentiable, measure, 0.1))

        def penalised(state, quantizer, term=term):
            penalty = jax.tree_util.Partial(term, 5.0, 1.0, quantizer)
            return pretrain.train_step(state, IDS, key, penalty=penalty, **options)

        found[measure] = (penalised, state, QUANTIZER)
    batch = {"input_ids": IDS, "attention_mask": np.ones_like(IDS)}
    distillation = partial(distill.train_step, apply=words, rates=RATES, micro_batch=4)
    found["distillation"] = (distillation, student, batch, np.ones((8, 3), np.float32))
    own, params = one_layer()
    labelled = batch | {"token_type_ids": 0 * IDS, "labels": IDS[:, 1] % 2, "weight": np.ones(8, np.float32)}
    sums, begun = jax.eval_shape(step.no_sums, params), jax.eval_shape(step.init_state, params)
    found["gradients"] = (partial(step.add_gradients, own), params, sums, labelled, key, 0, 0)
    found["update"] = (step.update, begun, sums, step.Rates(*np.float32([1e-3, 0.0, 20])))
    return found


def test_no_compiled_step_calls_the_host():
    """A program that does cannot be kept for later processes."""
    traced = {name: str(jax.make_jaxpr(function)(*arrays)) for name, (function, *arrays) in programs().items()}
    assert [name for name, program in traced.items() if "callback" in program] == []
