"""How each library computes a cell of the benchmark: what ``fastact bench --peers`` times.

A library offers the forms it has of an activation, from the texts of its catalog row. Which of them is
timed is decided by trying: it must run, agree with fastact, and be the fastest of those that do. Each
library is imported when its object is made, in a process of its own.
"""

from __future__ import annotations

import ast
import operator
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

import fastact as fa

from ...catalog import expression
from ..formulas import numpy_calls
from ..formulas.tree import Node
from ..passes.form import names_in
from ..work import PassWork, Workload

IN_PLACE, INTO_ARRAY, NEW_ARRAY = "in place", "out=", "new array"
Form = tuple[str, list[Callable[[], Any]]]
"""How its result is given, and the calls, one for each of the workload's copies.

The calls of a new array return it, alone or as the first of several.
"""


def given_array(work: Workload) -> str:
    """How a call gives its result that writes where the workload wants it."""
    return IN_PLACE if work.out is None else INTO_ARRAY


def read_call(text: str, names: dict[str, Any]) -> tuple[str, list[Any], dict[str, Any]] | None:
    """Name, arguments and keywords of a text that is a single call; None where it computes more."""
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    # A number below 0 is its sign and a constant.
    plain = [node.operand if isinstance(node, ast.UnaryOp) else node for node in given]
    if not all(isinstance(node, ast.Name | ast.Constant | ast.Attribute) for node in plain):
        return None
    return call.func.id, [value(a, names) for a in call.args], _keywords(call, names)


def value(node: ast.expr, names: dict[str, Any]) -> Any:
    """What a part of a text stands for."""
    if isinstance(node, ast.Attribute):
        return getattr(value(node.value, names), node.attr)
    return expression.read(node)(names)


def calls_of(node: ast.expr, names: dict[str, Any]) -> Callable[[], Any]:
    """The calls of a text, one within another; what they name is looked up here, not when they are timed."""
    function: Callable[..., Any]
    match node:
        case ast.Tuple(elts=args):
            function = _together
        case ast.BinOp(left=left, op=op, right=right):
            function, args = expression.OPERATORS[type(op)], [left, right]
        case ast.Call(func=ast.Name(id=name), args=args):
            function = partial(names[name], **_keywords(node, names)) if node.keywords else names[name]
        case ast.Call(func=ast.Attribute(value=of, attr=method), args=others):
            given = [value(other, names) for other in others]
            function, args = operator.methodcaller(method, *given, **_keywords(node, names)), [of]
        case _:
            known = value(node, names)
            return lambda: known
    if not any(isinstance(arg, ast.Call | ast.BinOp) for arg in args):
        return partial(function, *(value(arg, names) for arg in args))
    calls = [calls_of(arg, names) for arg in args]
    return lambda: function(*[call() for call in calls])


def _together(*results: Any) -> tuple[Any, ...]:
    return results


def _keywords(call: ast.Call, names: dict[str, Any]) -> dict[str, Any]:
    return {str(k.arg): value(k.value, names) for k in call.keywords}


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
        yield given_array(work) if work.writes else NEW_ARRAY, work.fastact()


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
        if not work.text("scipy"):
            return
        calls = []
        for given, out in work.calls_on():
            call = read_call(work.text("scipy"), work.names | given)
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
        if isinstance(work, PassWork):
            return
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
        if not work.text("onnx"):
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
        """The model made ready. The runtime takes out operators that do nothing, such as Div(x, 1)."""
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 4
        model = onnx_model(self.onnx, work).SerializeToString()
        return self.runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnx_model(onnx: Any, work: Workload) -> Any:
    """The model of a text: a node for each operator, an input for each array, numbers as constants."""
    helper, text, given = onnx.helper, work.text("onnx"), work.names | work.arrays
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(work.cell.dtype))
    arrays = [name for name in names_in(text) if isinstance(given.get(name), np.ndarray)]
    nodes: list[Any] = []
    constants: list[Any] = []

    def tensor(node: ast.expr, name: str) -> str:
        """The name of what a text stands for, after its nodes and constants have joined the graph."""
        if isinstance(node, ast.Name) and node.id in arrays:
            return node.id
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            inputs = [tensor(argument, f"{name}_{i}") for i, argument in enumerate(node.args)]
            attributes = {str(k.arg): value(k.value, given) for k in node.keywords}
            nodes.append(helper.make_node(node.func.id, inputs, [name], **attributes))
        else:
            constants.append(helper.make_tensor(name, kind, [], [value(node, given)]))
        return name

    tensor(ast.parse(text, mode="eval").body, "out")
    kinds = {name: helper.np_dtype_to_tensor_dtype(given[name].dtype) for name in arrays}
    graph = helper.make_graph(
        nodes, work.cell.row.name,
        [helper.make_tensor_value_info(name, kinds[name], None) for name in arrays],
        [helper.make_tensor_value_info("out", kind, None)], constants,
    )  # fmt: skip
    # The oldest set of operators that has these as they are now: every runtime that has them reads that.
    opset = helper.make_opsetid("", max(onnx.defs.get_schema(node.op_type).since_version for node in nodes))
    model = helper.make_model(graph, opset_imports=[opset])
    model.ir_version = helper.find_min_ir_version_for([opset])
    return model


_ATEN_NAMES = {"logsigmoid": "log_sigmoid"}
"""Functions of `torch.nn.functional` that have another name below it."""


class Torch:
    """Functions of `torch` and `torch.nn.functional`; gradients by ATen's operator, else by autograd."""

    packages = ("torch",)

    def __init__(self) -> None:
        import torch

        self.torch = torch
        # What it only reads may be shared with others.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        torch.set_grad_enabled(False)

    def set_threads(self, threads: int) -> None:
        self.torch.set_num_threads(threads)

    def forms(self, work: Workload) -> Iterator[Form]:
        row = work.cell.row
        if isinstance(work, PassWork):
            yield from self._of_pass(work)
        elif work.cell.direction == "forward":
            yield from self._called(work, row.torch) if row.torch else ()
        elif row.torch_backward:
            yield from self._operator(work, row.torch_backward)
        elif row.torch:
            leaves = [name for name in ("x", "weight") if name in work.names | work.arrays]
            yield NEW_ARRAY, [self._autograd(work, row.torch, leaves)] * len(work.copies)

    def _of_pass(self, work: PassWork) -> Iterator[Form]:
        for text in work.way.torch:
            yield from self._called(work, text)
            yield from self._operator(work, text)
        if work.way.graph:
            make = self._autograd_anew if work.way.whole else self._autograd
            yield NEW_ARRAY, [make(work, work.way.graph, work.way.leaves)] * len(work.copies)

    def tensor(self, array: np.ndarray) -> Any:
        """The array's memory as a tensor; torch does not know the bfloat16 of NumPy."""
        if array.dtype.name == "bfloat16":
            return self.torch.from_numpy(array.view(np.int16)).view(self.torch.bfloat16)
        return self.torch.from_numpy(array)

    def names(self, work: Workload, given: dict[str, np.ndarray]) -> dict[str, Any]:
        """What a text may name, as tensors over the same memory."""
        tensors = {
            name: self.tensor(value) if isinstance(value, np.ndarray) else value
            for name, value in (work.names | given).items()
        }
        return tensors | work.parts(tensors)

    def functions(self, name: str) -> list[Any]:
        """The ways to call it, the shortest first; the last takes every overload that ATen has."""
        torch, name = self.torch, _ATEN_NAMES.get(name, name)
        places = torch._C._nn, torch, torch.nn.functional, torch.ops.aten
        found = [getattr(place, name) for place in places if hasattr(place, name)]
        return list(dict.fromkeys(found))

    def _called(self, work: Workload, text: str) -> Iterator[Form]:
        """The calls of a text, in each form that may be had of a single one."""
        sets = [self.names(work, given | {"out": out}) for given, out in work.calls_on()]
        calls = [read_call(text, names) for names in sets]
        if calls[0] is None:
            form = given_array(work) if "out" in names_in(text) else NEW_ARRAY
            yield form, [self.calls(text, names) for names in sets]
            return
        name = calls[0][0]
        if work.out is None:
            for function in self.functions(f"{name}_"):
                yield given_array(work), [partial(function, *args, **keywords) for _, args, keywords in calls]
        for function in self.functions(name):
            new = [partial(function, *args, **keywords) for _, args, keywords in calls]
            yield (
                given_array(work),
                [partial(call, out=names["out"]) for call, names in zip(new, sets, strict=True)],
            )
            yield NEW_ARRAY, new

    def calls(self, text: str, names: dict[str, Any]) -> Callable[[], Any]:
        """A text that computes more than one call."""
        functions = {name: self.functions(name)[0] for name in names_in(text) if name not in names}
        return calls_of(ast.parse(text, mode="eval").body, functions | names)

    def _operator(self, work: Workload, text: str) -> Iterator[Form]:
        """The call of a text by ATen's operator, whose first result goes to the array that is given."""
        calls, overload, results = [], None, []
        for given, out in work.calls_on():
            call = read_call(text, self.names(work, given))
            if call is None:
                return
            name, args, keywords = call
            if overload is None:
                overload, results = self._overload(name)
            # Those behind the first take the shapes that they have to in the first call.
            keywords |= {result: self.torch.empty(0, dtype=args[0].dtype) for result in results[1:]}
            keywords |= {result: self.tensor(out) for result in results[:1]}
            calls.append(partial(overload, *args, **keywords))
        yield given_array(work) if results else NEW_ARRAY, calls

    def _overload(self, name: str) -> tuple[Any, list[str]]:
        """The operator's overload that writes into given tensors, and the names of these arguments."""
        operator = getattr(self.torch.ops.aten, name)
        for overload in (getattr(operator, kind) for kind in operator.overloads()):
            results = [argument.name for argument in overload._schema.arguments if argument.is_out]
            if results:
                return overload, results
        return operator.default, []

    def _autograd(self, work: Workload, text: str, leaves: Sequence[str]) -> Callable[[], Any]:
        """The gradient through a graph that is kept, with respect to all of these."""
        tensors = self._leaves(work, leaves)
        with self.torch.enable_grad():
            names = self.names(work, work.arrays) | tensors
            names |= work.parts(names)
            y = self.calls(text, names)()
        wanted = tuple(tensors.values())
        return partial(self.torch.autograd.grad, y, wanted, names["dy"], retain_graph=True)

    def _autograd_anew(self, work: Workload, text: str, leaves: Sequence[str]) -> Callable[[], Any]:
        """The value and its gradient, each time through a new graph, as in a step of training."""
        tensors = self._leaves(work, leaves)
        names = self.names(work, work.arrays) | tensors
        loss, wanted = self.calls(text, names), tuple(tensors.values())

        def step() -> Any:
            with self.torch.enable_grad():
                return self.torch.autograd.grad(loss(), wanted)

        return step

    def _leaves(self, work: Workload, names: Sequence[str]) -> dict[str, Any]:
        given = work.names | work.arrays
        return {name: self.tensor(given[name]).requires_grad_() for name in names}


LIBRARIES: dict[str, Any] = {
    "fastact": Fastact, "torch": Torch, "onnxruntime": OnnxRuntime,
    "scipy": SciPy, "numexpr": NumExpr, "numpy": NumPy,
}  # fmt: skip
PEERS = tuple(name for name in LIBRARIES if name != "fastact")
