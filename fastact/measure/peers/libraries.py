"""How each library computes a cell of the benchmark: what ``fastact bench --peers`` times.

A library offers the forms it has of an activation, from the texts of its catalog row. Which of them is
timed is decided by trying: it must run, agree with fastact, and be the fastest of those that do. Each
library is imported when its object is made, in a process of its own.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import fastact as fa

from ..formulas import numpy_calls
from ..formulas.tree import Node
from ..work import Workload

IN_PLACE, INTO_ARRAY, NEW_ARRAY = "in place", "out=", "new array"
Form = tuple[str, list[Callable[[], Any]]]
"""How its result is given, and the calls, one for each of the workload's copies.

The calls of a new array return it, alone or as the first of several.
"""


def given_array(work: Workload) -> str:
    """How a call gives its result that writes where the workload wants it."""
    return IN_PLACE if work.out is None else INTO_ARRAY


def names_of(work: Workload) -> dict[str, Any]:
    """What the texts of a row may name beside its arrays."""
    return {"axis": -1, **work.cell.row.numbers, **work.settings}


def halves(work: Workload, x: Any) -> dict[str, Any]:
    """The two halves of a gated activation's input, which its texts name."""
    if not work.cell.row.shape.halves:
        return {}
    middle = x.shape[-1] // 2
    return {"a": x[..., :middle], "b": x[..., middle:]}


def read_call(text: str, names: dict[str, Any]) -> tuple[str, list[Any], dict[str, Any]] | None:
    """Name, arguments and keywords of a text that is a single call; None where it computes more."""
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not all(isinstance(node, ast.Name | ast.Constant | ast.Attribute) for node in given):
        return None
    keywords = {str(k.arg): value(k.value, names) for k in call.keywords}
    return call.func.id, [value(a, names) for a in call.args], keywords


def value(node: ast.expr, names: dict[str, Any]) -> Any:
    """What a part of a text stands for."""
    return eval(compile(ast.Expression(node), "a row's text", "eval"), {}, names)


def weight_of(work: Workload) -> dict[str, np.ndarray]:
    """prelu's weight as a column, for its channels are the axis before the last; else nothing."""
    return {name: w.reshape(-1, 1) for name, w in work.settings.items() if name == "weight"}


def as_array(result: Any, dtype: np.dtype) -> np.ndarray:
    """What a call returned, alone or first of several, as an array."""
    first = result[0] if isinstance(result, tuple) else result
    if dtype.name == "bfloat16" and not isinstance(first, np.ndarray):
        # Every bfloat16 is a float32.
        return first.detach().float().numpy().astype(dtype)
    return np.asarray(first)


class Fastact:
    packages = ()

    def set_threads(self, threads: int) -> None:
        fa.set_num_threads(threads)

    def forms(self, work: Workload) -> Iterator[Form]:
        yield given_array(work), work.fastact()


class NumPy:
    """On one thread, as it always is, in the formulas of `numpy_calls`."""

    packages = ()

    def set_threads(self, threads: int) -> None:
        pass

    def forms(self, work: Workload) -> Iterator[Form]:
        for form in work.forms:
            yield given_array(work), work.numpy(form)


class SciPy(NumPy):
    """On one thread too; its functions that are no ufuncs return a new array."""

    packages = ("scipy",)

    def __init__(self) -> None:
        from scipy import special

        self.special = special

    def forms(self, work: Workload) -> Iterator[Form]:
        if not work.cell.row.scipy or work.cell.direction != "forward":
            return
        calls = []
        for given, out in work.calls_on():
            call = read_call(work.cell.row.scipy, names_of(work) | given)
            if call is None:
                return
            name, args, keywords = call
            function = getattr(self.special, name)
            if isinstance(function, np.ufunc):
                keywords["out"] = out
            calls.append(partial(function, *args, **keywords))
        yield given_array(work) if "out" in keywords else NEW_ARRAY, calls


_IN_NUMEXPR = {
    "add": "({} + {})", "subtract": "({} - {})", "multiply": "({} * {})", "divide": "({} / {})",
    "greater": "({} > {})", "greater_equal": "({} >= {})", "less": "({} < {})", "less_equal": "({} <= {})",
    "equal": "({} == {})", "negative": "(-{})", "square": "({0} * {0})", "absolute": "abs({})",
    # Its own maximum and minimum have no float32.
    "maximum": "where({1} > {0}, {1}, {0})", "minimum": "where({1} < {0}, {1}, {0})",
    "where": "where({}, {}, {})", "sign": "sign({})", "sqrt": "sqrt({})", "exp": "exp({})",
    "expm1": "expm1({})", "log": "log({})", "log1p": "log1p({})", "tanh": "tanh({})",
}  # fmt: skip
_NUMEXPR_TYPES = {"float32": float, "float64": np.float64}
"""Types of operands as its compiler names them: a float is the shorter one."""


class NumExpr:
    """The formula as one expression; it has no sums along an axis and no error function."""

    packages = ("numexpr",)

    def __init__(self) -> None:
        os.environ.setdefault("NUMEXPR_MAX_THREADS", "1024")
        import numexpr

        self.numexpr = numexpr

    def set_threads(self, threads: int) -> None:
        self.numexpr.set_num_threads(threads)

    def forms(self, work: Workload) -> Iterator[Form]:
        row = work.cell.row
        two_results = "weight" in work.settings and work.cell.direction == "backward"
        if row.shape.halves or two_results or work.cell.dtype not in _NUMEXPR_TYPES:
            return
        saves = work.cell.saves
        arrays = ["dy", saves] if saves else ["x"]
        if "weight" in work.settings:
            arrays.append("weight")
        constants: dict[float, str] = {}
        text = self.text(numpy_calls.as_defined(row, saves, tuple(arrays)), constants)
        if text is None:
            return
        kind = _NUMEXPR_TYPES[work.cell.dtype]
        expression = self.numexpr.NumExpr(text, [(name, kind) for name in (*arrays, *constants.values())])
        numbers = [np.array(number, work.cell.dtype) for number in constants]
        calls = []
        for given, out in work.calls_on():
            operands = [(given | weight_of(work))[name] for name in arrays]
            calls.append(partial(expression, *operands, *numbers, out=out, ex_uses_vml=False))
        yield given_array(work), calls

    def text(self, node: Node, constants: dict[float, str]) -> str | None:
        """The formula in its language; its numbers become operands, which do not widen a float32."""
        if node.op == "array":
            return node.name
        if node.op == "number":
            return constants.setdefault(node.value, f"c{len(constants)}")
        args = [self.text(argument, constants) for argument in node.args]
        if None in args or node.op not in _IN_NUMEXPR:
            return None
        return _IN_NUMEXPR[node.op].format(*args)


class OnnxRuntime:
    """A model of a node for each operator, forward only, its arrays bound to the caller's memory."""

    packages = ("onnxruntime", "onnx")

    def __init__(self) -> None:
        import onnx
        import onnxruntime

        self.onnx, self.runtime, self.threads = onnx, onnxruntime, 1

    def set_threads(self, threads: int) -> None:
        self.threads = threads

    def forms(self, work: Workload) -> Iterator[Form]:
        if not work.cell.row.onnx or work.cell.direction != "forward":
            return
        session = self.session(work)
        calls = []
        for given, out in work.calls_on():
            binding = session.io_binding()
            for node in session.get_inputs():
                array = (given | weight_of(work))[node.name]
                binding.bind_input(node.name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
            binding.bind_output("out", "cpu", 0, out.dtype, out.shape, out.ctypes.data)
            calls.append(partial(session.run_with_iobinding, binding))
        yield given_array(work), calls

    def session(self, work: Workload) -> Any:
        """The model of the row's text. The runtime takes out operators that do nothing, such as Div(x, 1)."""
        helper, row = self.onnx.helper, work.cell.row
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(work.cell.dtype))
        arrays = [name for name in ("x", "weight") if name == "x" or name in work.settings]
        nodes: list[Any] = []
        constants: list[Any] = []

        def tensor(node: ast.expr, name: str) -> str:
            """The name of what a text stands for, after its nodes and constants have joined the graph."""
            if isinstance(node, ast.Name) and node.id in arrays:
                return node.id
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                inputs = [tensor(given, f"{name}_{i}") for i, given in enumerate(node.args)]
                attributes = {str(k.arg): value(k.value, names_of(work)) for k in node.keywords}
                nodes.append(helper.make_node(node.func.id, inputs, [name], **attributes))
            else:
                constants.append(helper.make_tensor(name, kind, [], [value(node, names_of(work))]))
            return name

        tensor(ast.parse(row.onnx, mode="eval").body, "out")
        read = [name for name in arrays if any(name in node.input for node in nodes)]
        graph = helper.make_graph(
            nodes, row.name, [helper.make_tensor_value_info(name, kind, None) for name in read],
            [helper.make_tensor_value_info("out", kind, None)], constants,
        )  # fmt: skip
        # The oldest set of operators that has these as they are now: every runtime that has them reads that.
        versions = [self.onnx.defs.get_schema(node.op_type).since_version for node in nodes]
        opset = helper.make_opsetid("", max(versions))
        model = helper.make_model(graph, opset_imports=[opset])
        model.ir_version = helper.find_min_ir_version_for([opset])
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 4
        return self.runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )


_ATEN_NAMES = {"logsigmoid": "log_sigmoid"}
"""Functions of `torch.nn.functional` that have another name below it."""


class Torch:
    """Functions of `torch` and `torch.nn.functional`; gradients by ATen's operator, else by autograd."""

    packages = ("torch",)

    def __init__(self) -> None:
        import torch

        self.torch = torch
        torch.set_grad_enabled(False)

    def set_threads(self, threads: int) -> None:
        self.torch.set_num_threads(threads)

    def forms(self, work: Workload) -> Iterator[Form]:
        row = work.cell.row
        if work.cell.direction == "forward":
            yield from self._forward(work)
        elif row.torch_backward:
            yield from self._operator(work)
        elif row.torch:
            yield NEW_ARRAY, [self._autograd(work)] * len(work.copies)

    def tensor(self, array: np.ndarray) -> Any:
        """The array's memory as a tensor; torch does not know the bfloat16 of NumPy."""
        if array.dtype.name == "bfloat16":
            return self.torch.from_numpy(array.view(np.int16)).view(self.torch.bfloat16)
        return self.torch.from_numpy(array)

    def names(self, work: Workload, given: dict[str, np.ndarray]) -> dict[str, Any]:
        """What a text may name, as tensors over the same memory."""
        tensors = {
            name: self.tensor(value) if isinstance(value, np.ndarray) else value
            for name, value in (names_of(work) | given).items()
        }
        return tensors | halves(work, tensors["x"])

    def functions(self, name: str) -> list[Any]:
        """The ways to call it, the shortest first; the last takes every overload that ATen has."""
        torch, name = self.torch, _ATEN_NAMES.get(name, name)
        places = torch._C._nn, torch, torch.nn.functional, torch.ops.aten
        found = [getattr(place, name) for place in places if hasattr(place, name)]
        return list(dict.fromkeys(found))

    def _forward(self, work: Workload) -> Iterator[Form]:
        text = work.cell.row.torch
        if not text:
            return
        sets = [self.names(work, given) for given, _ in work.calls_on()]
        outs = [self.tensor(out) for _, out in work.calls_on()]
        calls = [read_call(text, names) for names in sets]
        if calls[0] is None:
            yield NEW_ARRAY, [partial(self.evaluate(text, names), names) for names in sets]
            return
        name = calls[0][0]
        if work.out is None:
            for function in self.functions(f"{name}_"):
                yield given_array(work), [partial(function, *args, **keywords) for _, args, keywords in calls]
        for function in self.functions(name):
            new = [partial(function, *args, **keywords) for _, args, keywords in calls]
            yield given_array(work), [partial(call, out=out) for call, out in zip(new, outs, strict=True)]
            yield NEW_ARRAY, new

    def evaluate(self, text: str, names: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
        """A text that computes more than one call, compiled."""
        used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)} - set(names)
        functions = {name: self.functions(name)[0] for name in used}
        return partial(eval, compile(text, text, "eval"), functions)

    def _operator(self, work: Workload) -> Iterator[Form]:
        calls, overload, result = [], None, ""
        for given, out in work.calls_on():
            call = read_call(work.cell.row.torch_backward, self.names(work, given))
            if call is None:
                return
            name, args, keywords = call
            if overload is None:
                overload, result = self._overload(name)
            if result:
                keywords[result] = self.tensor(out)
            calls.append(partial(overload, *args, **keywords))
        yield given_array(work) if result else NEW_ARRAY, calls

    def _overload(self, name: str) -> tuple[Any, str]:
        """The operator's overload that writes into a given tensor, and the name of that argument."""
        operator = getattr(self.torch.ops.aten, name)
        for overload in (getattr(operator, kind) for kind in operator.overloads()):
            for argument in overload._schema.arguments:
                if argument.is_out:
                    return overload, argument.name
        return operator.default, ""

    def _autograd(self, work: Workload) -> Callable[[], Any]:
        """The gradient through a graph that is kept; it includes that of prelu's weight."""
        leaves = {
            name: self.tensor(array).requires_grad_()
            for name, array in {**work.arrays, **work.settings}.items()
            if name in ("x", "weight")
        }
        with self.torch.enable_grad():
            names = self.names(work, work.arrays) | leaves | halves(work, leaves["x"])
            y = self.evaluate(work.cell.row.torch, names)(names)
        wanted = tuple(leaves.values())
        return partial(self.torch.autograd.grad, y, wanted, names["dy"], retain_graph=True)


LIBRARIES: dict[str, Any] = {
    "fastact": Fastact, "torch": Torch, "onnxruntime": OnnxRuntime,
    "scipy": SciPy, "numexpr": NumExpr, "numpy": NumPy,
}  # fmt: skip
PEERS = tuple(name for name in LIBRARIES if name != "fastact")
