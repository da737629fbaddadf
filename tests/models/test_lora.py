"""LoRA: the start is the base, the merged model is the adapted one, gradients reach every target, files come back."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import FIXTURES
from safetensors.numpy import load_file, save_file

from geojax import models
from geojax.errors import InputError
from geojax.models.adapter_files import load_adapted, save_adapter
from geojax.models.architectures import ARCHITECTURES
from geojax.models.config import read_config
from geojax.models.lora import Adapted, Lora, kernels, matched, merged, split
from geojax.models.perturb import perturbed

FOLDER = FIXTURES / "random-bert"
ALL = ("query", "key", "value", "output", "intermediate")


@pytest.fixture(scope="module")
def model():
    return models.load(FOLDER, head="classification", num_labels=3, key=jax.random.key(1))


@pytest.fixture(scope="module")
def batch(model):
    tokens = model.tokenizer(["Vectors fill a cone.", "No."], padding=True)
    return {name: np.asarray(value) for name, value in tokens.items()}


def trained(model, lora, scale=0.3):
    """Frozen parameters and an adapter whose B is not 0."""
    frozen, adapter = split(model.params, lora, jax.random.key(0))
    leaves, tree = jax.tree.flatten(adapter)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    noise = [scale * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
    return frozen, jax.tree.unflatten(tree, [a + b for a, b in zip(leaves, noise, strict=True)])


def test_targets_are_the_ends_of_paths(model):
    layers = model.config.num_hidden_layers
    assert len(list(kernels(model.params))) == 6 * layers
    assert len(matched(model.params, ALL)) == 6 * layers  # output is two kernels of a layer
    assert matched(model.params, ("attention/output",)) == [
        ("encoder", str(i), "attention", "output") for i in range(layers)
    ]
    assert len(matched(model.params, ("query", "attention/query"))) == layers
    with pytest.raises(InputError, match="'querry' names no kernel of the model, which has attention/output, feed_"):
        matched(model.params, ("value", "querry"))
    with pytest.raises(InputError, match="LoRA needs a target"):
        matched(model.params, ())


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_every_architecture_takes_adapters(family):
    """As shapes: queries and values of every distinct layer, and a merged tree of the same form."""
    apply = models.make_apply(read_config(FIXTURES / f"random-{family}"), "classification", 2)
    base, lora = models.shapes(apply), Lora(2)
    assert len(matched(base, lora.targets)) == 2 * apply.config.distinct_layers
    frozen, adapter = jax.eval_shape(partial(split, lora=lora, key=jax.random.key(0)), base)
    found = jax.eval_shape(partial(merged, scale=lora.scale), frozen, adapter)
    assert jax.tree.structure(found) == jax.tree.structure(base)
    assert [leaf.shape for leaf in jax.tree.leaves(found)] == [leaf.shape for leaf in jax.tree.leaves(base)]


def test_the_start_is_the_base_exactly(model, batch):
    lora = Lora(2, 16.0, ALL)
    frozen, adapter = split(model.params, lora, jax.random.key(0))
    whole = merged(frozen, adapter, lora.scale)
    assert jax.tree.structure(whole) == jax.tree.structure(model.params)
    assert jax.tree.all(jax.tree.map(np.array_equal, whole, model.params))
    config = model.config
    sides = config.num_hidden_layers * (
        4 * 2 * config.hidden_size + 2 * (config.hidden_size + config.intermediate_size)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(adapter["encoder"])) == 2 * sides
    assert set(frozen) == {"embeddings", "encoder"} and set(adapter) == {"encoder", "head", "pooler"}


def test_the_merged_model_is_the_adapted_one(model, batch):
    """The product x (W + s A B) beside x W + s (x A) B, and the merged tree beside `Adapted`."""
    lora = Lora(2, 8.0, ALL)
    frozen, adapter = trained(model, lora)
    whole = merged(frozen, adapter, lora.scale)
    query, parts = ((tree["encoder"]["0"]["attention"]["query"]["kernel"]) for tree in (model.params, adapter))
    x = jax.random.normal(jax.random.key(3), (5, len(query)))
    expected = x @ query + 4.0 * (x @ parts["lora_a"]) @ parts["lora_b"]
    np.testing.assert_allclose(x @ whole["encoder"]["0"]["attention"]["query"]["kernel"], expected, atol=1e-5)
    apply = jax.jit(lambda params: model.apply(params, batch)["logits"])
    adapted = jax.jit(lambda *given: Adapted(model.apply, lora.scale)(given[0], batch, frozen=given[1])["logits"])
    np.testing.assert_allclose(apply(whole), adapted(adapter, frozen), atol=1e-5)
    assert np.abs(apply(whole) - apply(model.params)).max() > 0.01


def test_gradients_reach_every_target(model, batch):
    """At the start, where B is 0, those of B; then those of A too. The other parameters have none by construction."""
    lora = Lora(2, 8.0, ALL)

    def loss(adapter, frozen):
        return jnp.sum(Adapted(model.apply, lora.scale)(adapter, batch, frozen=frozen)["logits"] ** 2)

    slope = jax.jit(jax.grad(loss))
    for start, zero in (split(model.params, lora, jax.random.key(0)), True), (trained(model, lora), False):
        found = jax.tree_util.tree_leaves_with_path(slope(start[1], start[0])["encoder"])
        assert len(found) == 2 * 6 * model.config.num_hidden_layers
        for path, leaf in found:
            assert np.any(leaf) != (zero and path[-1].key == "lora_a"), path


def test_a_full_rank_reaches_every_kernel():
    """Of rank min(sides), A B is any matrix: the adapter solves for one in a least-squares step."""
    rng = np.random.default_rng(0)
    params = {"encoder": {"0": {"query": {"kernel": jnp.asarray(rng.normal(size=(6, 4)), jnp.float32)}}}}
    wanted = rng.normal(size=(6, 4)).astype(np.float32)
    lora = Lora(4, 4.0, ("query",))
    frozen, adapter = split(params, lora, jax.random.key(0))
    own, kernel = adapter["encoder"]["0"]["query"]["kernel"], params["encoder"]["0"]["query"]["kernel"]
    left, values, right = np.linalg.svd(wanted - np.asarray(kernel), full_matrices=False)
    own["lora_a"], own["lora_b"] = jnp.asarray(left * values), jnp.asarray(right)
    np.testing.assert_allclose(
        merged(frozen, adapter, lora.scale)["encoder"]["0"]["query"]["kernel"], wanted, atol=1e-5
    )
    with pytest.raises(InputError, match="LoRA rank 5 exceeds a side of the kernel encoder/0/query, 6 x 4"):
        split(params, Lora(5, 4.0, ("query",)), jax.random.key(0))


@pytest.fixture
def saved(model, tmp_path):
    """A saved adapter on a base under noise, and the model that it makes."""
    lora = Lora(2, 8.0, ("query", "attention/output"))
    base = perturbed(model, 3.0, 7)
    frozen, adapter = trained(base, lora)
    about = {"model": str(FOLDER), "model_revision": models.resolve(FOLDER).revision, "alpha": 3.0, "noise_seed": 7}
    apply = models.make_apply(base.config, "classification", 3, pooler=True, label_names=("a", "b", "c"))
    save_adapter(tmp_path / "adapter", adapter, lora, apply, about)
    return tmp_path / "adapter", merged(frozen, adapter, lora.scale)


def test_an_adapter_in_a_file_comes_back_on_its_base(saved):
    folder, whole = saved
    found = load_adapted(folder)
    assert jax.tree.all(jax.tree.map(np.array_equal, found.params, whole))
    assert found.apply.label_names == ("a", "b", "c") and found.apply.num_labels == 3
    assert (folder / "adapter.safetensors").stat().st_size < (FOLDER / "model.safetensors").stat().st_size / 3


def test_adapter_files_that_do_not_fit_are_refused(saved, tmp_path):
    folder, _ = saved
    with pytest.raises(InputError, match="was trained on revision sha256:.* name its base"):
        load_adapted(folder, "geojax-bert-tiny")
    tensors = load_file(folder / "adapter.safetensors")
    name = next(name for name in tensors if name.endswith("lora_b"))
    for spoilt, message in (
        ({k: v for k, v in tensors.items() if k != name}, r"\(1 faults\): missing "),
        (tensors | {"more": np.zeros(2)}, "unexpected more"),
        (tensors | {name: np.zeros((3, 3), np.float32)}, r"has shape \(3, 3\), the model asks for"),
        (tensors | {name: tensors[name] * np.nan}, "holds NaN or Inf"),
    ):
        save_file(spoilt, folder / "adapter.safetensors")
        with pytest.raises(InputError, match=message):
            load_adapted(folder)
    (folder / "adapter.json").write_text("{}")
    for path in (folder, tmp_path / "none"):
        with pytest.raises(InputError, match="holds no adapter that can be read"):
            load_adapted(path)
