"""The weights of an encoder in an ONNX graph, by HuggingFace's names.

Exporters keep the names of embeddings, LayerNorms and biases. They transpose the kernels of dense layers, which lose
their names: a kernel belongs to the layer whose path the node's name has, or whose bias is added to the product.
Kernels and embeddings of 8 bits (onnxruntime's dynamic quantisation, or DequantizeLinear) become float32:
(q - zero point) * scale.
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from geojax.errors import InputError
from geojax.models.architectures import Architecture

Tensors = dict[str, np.ndarray]
PARAMETER = re.compile(r"(.+)\.(weight|bias)(_quantized)?")


def read_onnx(path: Path, architecture: Architecture) -> Tensors:
    """The tensors of an encoder and its heads, float32, with HuggingFace's names and order of axes.

    Raises:
      InputError: the package onnx is not installed, the file is damaged, its nodes are fused, or it holds no encoder of
        BERT's form.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise InputError("an ONNX file is read by onnx, which is missing: pip install 'geojax[onnx]'") from error
    try:
        graph = onnx.load(path).graph
        constants = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    except (DecodeError, OSError, ValueError, TypeError, onnx.checker.ValidationError) as error:
        raise InputError(f"{path} is damaged or incomplete: {' '.join(str(error).split())[:200]}") from error
    if fused := sorted({node.op_type for node in graph.node if node.domain not in ("", "ai.onnx")}):
        raise InputError(
            f"{path} has nodes of onnxruntime's own ({', '.join(fused[:5])}), in which weights are fused: convert the "
            f"file from before the graph was optimised"
        )
    found = _Graph(graph.node, constants).tensors()
    words = architecture.names.get("embeddings/word_embeddings", "") + ".weight"
    stems = [name.removesuffix(words) for name in found if name.endswith(f".{words}") or name == words]
    if architecture.kernels_in_out or len(stems) != 1:
        raise InputError(f"{path} holds no encoder of BERT's form: no table of words is named {words}")
    outer = stems[0].removesuffix(architecture.prefix)  # of a module that was wrapped for its export
    return {
        name.removeprefix(outer): np.ascontiguousarray(value, np.float32)
        for name, value in found.items()
        if name.startswith(outer)
    }


class _Graph:
    """The nodes of a graph, and its constants: initializers, and what nodes make of constants alone."""

    def __init__(self, nodes: Any, constants: Tensors):
        self.nodes, self.constants = nodes, dict(constants)
        self.readers, self.maker = defaultdict(list), {}
        for node in nodes:
            for name in node.input:
                self.readers[name].append(node)
            self.maker |= dict.fromkeys(node.output, node)
            if (value := self._folded(node)) is not None:
                self.constants[node.output[0]] = value

    def _folded(self, node: Any) -> np.ndarray | None:
        """The output of a node of constants; None for other nodes."""
        from onnx import numpy_helper

        settings = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "Constant" and "value" in settings:
            return numpy_helper.to_array(settings["value"].t)
        values = [self.constants.get(name) for name in node.input]
        if not values or any(value is None for value in values):
            return None
        if node.op_type in ("Identity", "Cast"):
            return values[0]
        if node.op_type == "Transpose":
            return np.transpose(values[0], list(settings["perm"].ints) if "perm" in settings else None)
        if node.op_type == "DequantizeLinear":
            return _dequantized(*values, axis=settings["axis"].i if "axis" in settings else 1)
        return None

    def tensors(self) -> Tensors:
        """The parameters of all modules by their names."""
        found = {}
        for name, value in self.constants.items():
            if PARAMETER.fullmatch(name) and np.issubdtype(value.dtype, np.floating):
                found[name] = value
        for node in self.nodes:
            if node.op_type == "Gather":
                found |= self._table(node)
            elif node.op_type in ("MatMul", "MatMulInteger", "Gemm"):
                found |= self._kernel(node)
            elif node.op_type in ("Add", "Mul", "LayerNormalization"):
                found |= self._shared(node)
        return found

    def _table(self, node: Any) -> Tensors:
        """A quantised table of embeddings, of which the rows are dequantised after they are looked up."""
        name = PARAMETER.fullmatch(node.input[0])
        for reader in self.readers[node.output[0]]:
            if name and reader.op_type == "DequantizeLinear":
                scales = (self.constants.get(other) for other in reader.input[1:])
                return {f"{name[1]}.{name[2]}": _dequantized(self.constants[node.input[0]], *scales, axis=1)}
        return {}

    def _kernel(self, node: Any) -> Tensors:
        """The kernel of a dense layer as [outputs, inputs]."""
        kernel, output = self.constants.get(node.input[1]), node.output[0]
        if kernel is None or kernel.ndim != 2 or PARAMETER.fullmatch(node.input[1]):
            return {}  # a product of activations, or a kernel with its name
        if node.op_type == "MatMulInteger":
            scale, output = self._scale_after(node)
            kernel = _dequantized(kernel, scale, *(self.constants.get(name) for name in node.input[3:4]), axis=1)
        if node.op_type == "Gemm":
            biases = node.input[2:]
            kernel = kernel.T if any(one.name == "transB" and one.i for one in node.attribute) else kernel
        else:
            biases = [name for reader in self.readers[output] if reader.op_type == "Add" for name in reader.input]
        named = [match[1] for name in biases if (match := PARAMETER.fullmatch(name)) and name in self.constants]
        if not (module := _scope(node) or next(iter(named), "")):
            raise InputError(f"no bias is added after the kernel {node.input[1]}, and no name says whose it is")
        return {f"{module}.weight": kernel.T}

    def _scale_after(self, node: Any) -> tuple[np.ndarray, str]:
        """The scale of a quantised kernel, and the output of the product in float32."""
        for cast in self.readers[node.output[0]]:
            for product in self.readers[cast.output[0]] if cast.op_type == "Cast" else ():
                makers = [self.maker[name] for name in product.input if name in self.maker and name != cast.output[0]]
                for scales in (maker for maker in makers if maker.op_type == "Mul"):
                    for name in scales.input:
                        if name in self.constants:
                            return self.constants[name], product.output[0]
        raise InputError(f"the kernel {node.input[1]} is quantised, and the scale of its product is not found")

    def _shared(self, node: Any) -> Tensors:
        """Parameters that an exporter joined with equal ones of other modules, by the path in the node's name."""
        scope, found = _scope(node), {}
        for name in node.input if scope else ():
            match = PARAMETER.fullmatch(name)
            if match and name in self.constants:
                found[f"{scope}.{match[2]}"] = self.constants[name]
        return found


def _scope(node: Any) -> str:
    """The module that a node is part of, where its name is a path: /encoder/layer.0/output/dense/MatMul.

    A module that is called again, as the layer of an ALBERT, has a number behind its name: dense_1.
    """
    path = node.name[1:].split("/")[:-1] if node.name.startswith("/") else []
    return ".".join(re.sub(r"_\d+$", "", part) for part in path)


def _dequantized(
    value: np.ndarray, scale: np.ndarray | None, zero: np.ndarray | None = None, *, axis: int
) -> np.ndarray:
    """(value - zero) * scale, each one number or one for each place of an axis."""
    if scale is None or value.dtype not in (np.int8, np.uint8):
        raise InputError(f"weights of the type {value.dtype} are quantised in a way that is not read here")
    shape = [1] * value.ndim
    if scale.size > 1:
        shape[axis] = scale.size
    zero = np.zeros(1) if zero is None else zero
    zero = zero.astype(np.float32).reshape(shape if zero.size > 1 else [1] * value.ndim)
    return (value.astype(np.float32) - zero) * scale.astype(np.float32).reshape(shape)
