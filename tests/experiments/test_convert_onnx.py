"""Encoders from ONNX graphs: the weights are those that were exported, and quantised ones what their scales say."""

import importlib.util
import shutil
import sys
import warnings

import jax
import numpy as np
import pytest
from places import FIXTURES

from configs.schema import ConvertCheckpoint
from experiments import convert_checkpoint
from geojax import models
from geojax.errors import InputError

LACKING = [name for name in ("torch", "onnx") if importlib.util.find_spec(name) is None]


def with_onnx(test):
    return pytest.mark.slow(pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING} (peers extra)")(test))


def run(source, out):
    convert_checkpoint.run(ConvertCheckpoint(source=str(source)), out)


def exported(family, change=lambda module: None):
    """The ONNX graph of a small encoder, as PyTorch exports it."""
    import io

    import onnx
    import torch
    import transformers

    folder = FIXTURES / f"random-{family}"
    module = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    change(module)

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = module

        def forward(self, ids, mask):
            return self.model(input_ids=ids, attention_mask=mask, return_dict=False)[0]

    ids, file = torch.ones(2, 5, dtype=torch.int64), io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(Wrapped(), (ids, ids), file, input_names=["ids", "mask"], opset_version=17, dynamo=False)
    return onnx.load_from_string(file.getvalue())


def beside(folder, out, graph, place="model.onnx"):
    """A copy of a model folder with the graph in place of the weights."""
    import onnx

    shutil.copytree(folder, out, ignore=lambda *_: ["model.safetensors"])
    (out / place).parent.mkdir(exist_ok=True)
    onnx.save(graph, out / place)
    return out


def encoder_of(folder):
    params = models.load(folder).params
    return {name: params[name] for name in ("embeddings", "encoder")}


def quantised(graph, per_column):
    """The graph with kernels and tables of 8 bits, as onnxruntime's dynamic quantisation writes them."""
    from onnx import helper, numpy_helper

    nodes, constants = [], {value.name: numpy_helper.to_array(value) for value in graph.graph.initializer}
    for node in graph.graph.node:
        name = next((name for name in node.input if name in constants and constants[name].ndim == 2), None)
        if name is None or node.op_type not in ("MatMul", "Gather") or constants[name].dtype != np.float32:
            nodes.append(node)
            continue
        value, kernel = constants[name], node.op_type == "MatMul"
        if f"{name}_quantized" not in constants:
            axes = (0,) if per_column and kernel else None
            scale = (value.max(axes) - value.min(axes)).astype(np.float32) / 255
            zero = np.round(-value.min(axes) / scale).astype(np.uint8)
            code = np.clip(np.round(value / scale) + zero, 0, 255).astype(np.uint8)
            constants |= {f"{name}_quantized": code, f"{name}_scale": scale, f"{name}_zero_point": zero}
        coded, by, about = (f"{name}_{part}" for part in ("quantized", "scale", "zero_point"))
        out, path = node.output[0], node.name
        if kernel:
            x = node.input[0]
            parts = (f"{path}_x", f"{path}_x_scale", f"{path}_x_zero_point")
            nodes += [
                helper.make_node("DynamicQuantizeLinear", [x], parts),
                helper.make_node("MatMulInteger", [parts[0], coded, parts[2], about], [f"{out}_int"], f"{path}_quant"),
                helper.make_node("Cast", [f"{out}_int"], [f"{out}_cast"], to=1),
                helper.make_node("Mul", [parts[1], by], [f"{out}_scales"]),
                helper.make_node("Mul", [f"{out}_cast", f"{out}_scales"], [out]),
            ]
        else:
            nodes += [
                helper.make_node("Gather", [coded, node.input[1]], [f"{out}_coded"], path),
                helper.make_node("DequantizeLinear", [f"{out}_coded", by, about], [out]),
            ]
    used = {name for node in nodes for name in node.input}
    made = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
    inner = helper.make_graph(nodes, "quantised", graph.graph.input, graph.graph.output, made)
    return helper.make_model(inner, opset_imports=graph.opset_import)


@with_onnx
@pytest.mark.parametrize("family", ["bert", "distilbert", "albert"])
def test_the_weights_are_those_that_were_exported(family, tmp_path):
    folder = FIXTURES / f"random-{family}"
    source = beside(folder, tmp_path / "source", exported(family), "onnx/model.onnx")
    run(source, tmp_path / "out")
    leaves = zip(*map(jax.tree.leaves, (encoder_of(folder), encoder_of(tmp_path / "out"))), strict=True)
    assert all(np.array_equal(own, other) for own, other in leaves)
    run(source / "onnx" / "model.onnx", tmp_path / "again")
    assert models.load(tmp_path / "again").config == models.load(folder).config


@with_onnx
@pytest.mark.parametrize("per_column", [False, True])
def test_weights_of_8_bits_are_what_their_scales_say(per_column, tmp_path):
    folder = FIXTURES / "random-bert"
    run(beside(folder, tmp_path / "source", quantised(exported("bert"), per_column)), tmp_path / "out")
    for own, other in zip(*map(jax.tree.leaves, (encoder_of(folder), encoder_of(tmp_path / "out"))), strict=True):
        assert abs(own - other).max() <= 0.51 * (own.max() - own.min()) / 255
        assert own.ndim == 1 or (own != other).any()


@with_onnx
def test_equal_parameters_that_the_exporter_joins_are_told_apart(tmp_path):
    def change(module):
        for layer in module.encoder.layer:
            layer.attention.self.key.bias.data.zero_()
            layer.attention.self.query.bias.data.zero_()

    graph = exported("bert", change)
    names = {value.name for value in graph.graph.initializer}
    assert sum(name.endswith(("query.bias", "key.bias")) for name in names) == 1  # of six
    run(beside(FIXTURES / "random-bert", tmp_path / "source", graph), tmp_path / "out")
    for layer in encoder_of(tmp_path / "out")["encoder"].values():
        assert not layer["attention"]["query"]["bias"].any() and not layer["attention"]["key"]["bias"].any()
        assert layer["attention"]["value"]["bias"].all()


@with_onnx
def test_what_is_no_encoder_is_refused(tmp_path):
    from onnx import helper

    bert, graph = FIXTURES / "random-bert", exported("bert")
    kept = [node for node in graph.graph.node if "layer.1/output/dense" not in node.name]
    for number, (nodes, message) in enumerate(
        [
            (kept, "does not hold the whole model: .* missing encoder.layer.1.output.dense.weight"),
            ([helper.make_node("Attention", ["a"], ["b"], domain="com.microsoft")], "nodes of onnxruntime's own"),
        ]
    ):
        changed = type(graph)()
        changed.CopyFrom(graph)
        del changed.graph.node[:]
        changed.graph.node.extend(nodes)
        source, out = beside(bert, tmp_path / str(number), changed), tmp_path / f"out{number}"
        with pytest.raises(InputError, match=message):
            convert_checkpoint.convert(source, out)
        assert not (out / "model.safetensors").exists()
    with pytest.raises(InputError, match="no encoder of BERT's form: no table of words is named wte.weight"):
        convert_checkpoint.convert(beside(FIXTURES / "random-gpt2", tmp_path / "gpt2", graph), tmp_path / "no")
    (source / "model.onnx").write_bytes(b"\xff\xff")
    with pytest.raises(InputError, match="is damaged or incomplete"):
        convert_checkpoint.convert(source, tmp_path / "no")


def test_onnx_is_needed_only_for_its_files(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    shutil.copytree(FIXTURES / "random-bert", tmp_path / "source")
    (tmp_path / "source" / "model.onnx").touch()
    with pytest.raises(InputError, match="read by onnx, which is missing: pip install 'geojax.onnx.'"):
        run(tmp_path / "source", tmp_path / "out")
