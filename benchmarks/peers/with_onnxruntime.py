"""ONNX Runtime: the forward pass as a graph of standard operators, optimised by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ..workloads import Array, Data, Workload
from . import Program, numbers


class _Graph:
    """Operators one after the other."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.dtype = dtype

    def constant(self, name: str, array: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        names = [name] + [""] * (outputs - 1)
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return name


def make(w: Workload, name: str = "onnxruntime", threads: int = 1) -> Program:
    data = w.data()
    x = data.inputs["x"]
    graph = _Graph(x.dtype)
    out, rank = {"mlp": _mlp, "cnn": _cnn, "cnn3": _cnn, "lstm": _lstm}[w.model](w, data, graph)
    kind = TensorProto.FLOAT if x.dtype == np.float32 else TensorProto.DOUBLE
    shape = x.shape if w.model != "lstm" else (x.shape[1], x.shape[0], x.shape[2])
    given = helper.make_tensor_value_info("x", kind, list(shape))
    result = helper.make_tensor_value_info(out, kind, [None] * rank)
    model = helper.make_model(helper.make_graph(graph.nodes, w.model, [given], [result], graph.constants),
                              opset_imports=[helper.make_opsetid("", 17)], ir_version=8)  # fmt: skip
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"x": np.ascontiguousarray(x.transpose(1, 0, 2)) if w.model == "lstm" else x}
    last: Any = None

    def run(calls: int) -> None:
        nonlocal last
        for _ in range(calls):
            last = session.run(None, feed)

    def found() -> Any:
        return numbers(last[0][:, 0].transpose(1, 0, 2) if w.model == "lstm" else last[0])

    return Program(run, found)


def _mlp(w: Workload, data: Data, graph: _Graph) -> tuple[str, int]:
    h = "x"
    for k in range(1, len(data.params) // 2 + 1):
        W, b = (graph.constant(f"{n}{k}", data.params[f"{n}{k}"]) for n in "Wb")
        h = graph.add("Gemm", graph.add("Relu", h) if k > 1 else h, W, b)
    return h, 2


def _cnn(w: Workload, data: Data, graph: _Graph) -> tuple[str, int]:
    pools = {"cnn": (1, 2), "cnn3": (2, 3)}[w.model]
    h = "x"
    for k in range(1, max(pools) + 1):
        W, b = (graph.constant(f"conv_{k}.{n}", data.params[f"conv_{k}.{n}"]) for n in "Wb")
        pad = data.params[W].shape[-1] // 2
        h = graph.add("Relu", graph.add("Conv", h, W, b, pads=[pad] * 4))
        h = graph.add("MaxPool", h, kernel_shape=[2, 2], strides=[2, 2]) if k in pools else h
    W, b = (graph.constant(f"head.{n}", data.params[f"head.{n}"]) for n in "Wb")
    return graph.add("Gemm", graph.add("Flatten", h), W, b), 2


def _lstm(w: Workload, data: Data, graph: _Graph) -> tuple[str, int]:
    """The operator has the gates in the order input, output, forget, cell, and two biases."""
    W, U, b = (data.params[f"cell.{n}"] for n in "WUb")
    order = (0, 3, 1, 2)

    def gates(array: Array) -> Array:
        pieces = np.split(array, 4, axis=-1)
        return np.concatenate([pieces[k] for k in order], axis=-1)

    b = gates(b)
    names = (graph.constant("W", gates(W).T[None]), graph.constant("R", gates(U).T[None]),
             graph.constant("B", np.concatenate([b, np.zeros_like(b)])[None]))  # fmt: skip
    return graph.add("LSTM", "x", *names, hidden_size=U.shape[0]), 4
