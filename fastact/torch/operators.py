"""An activation as operators of torch, `fastact::NAME` and `fastact::NAME_backward`, made from its row."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from numpy.lib.array_utils import normalize_axis_index

from .. import activations, catalog
from ..catalog import Argument, Row, expression
from ..catalog.arguments import OF_SCORES
from ..integrations.torch import as_tensor, of_tensor
from . import texts

LIBRARY = torch.library.Library("fastact", "DEF")
TYPES = {
    "float": "float",
    "float or None": "float",
    "float or array_like": "Tensor",
    "int": "int",
    "int, None or tuple of int": "int",  # one axis, as torch has it
    "array_like of bool, optional": "Tensor?",
}
"""The types of an operator's arguments, by what the catalog calls them; others it does not have."""
TAGS = (torch.Tag.pt2_compliant_tag,)


class Operator:
    """One activation on tensors: its kernels, which compute in NumPy's view of their memory."""

    def __init__(self, row: Row) -> None:
        self.row, self.activation = row, activations[row.name]
        learnt = [a for a in row.arguments if a.kind == "float or array_like"]
        learnt += [p for p in row.parameters if p.gradient]  # type: ignore[misc]
        self.learnt: str = learnt[0].name if learnt else ""
        """What has a gradient beside x; empty where nothing has."""
        self.arguments = tuple(a for a in row.arguments if self._type(a) and not (a.fused or a in OF_SCORES))
        """What the operator takes beside x, in its order."""
        self.names = tuple(a.name for a in self.arguments)
        self.place = self.names.index(self.learnt) if learnt else None
        """Where what is learnt stands among the values of a call."""
        self._backward_names = {a.name for a in row.backward_arguments}
        self._axis = self.names.index("axis") if "axis" in self.names else None
        self._defined()

    def _type(self, argument: Argument) -> str:
        if argument.name == "seed":
            return "Tensor?"
        return "Tensor" if argument.name == self.learnt else TYPES.get(argument.kind, "")

    def _defined(self) -> None:
        """The operators, with what torch has to know of each."""
        name, own = self.row.name, "".join(f", {self._type(a)} {a.name}" for a in self.arguments)
        results = "(Tensor, Tensor)" if self.learnt else "Tensor"
        LIBRARY.define(f"{name}(Tensor x{own}) -> Tensor", tags=TAGS)
        LIBRARY.define(
            f"{name}_backward(Tensor dy, Tensor saved{own}, str of, bool learns) -> {results}", tags=TAGS
        )
        LIBRARY.impl(name, self.forward, "CPU")
        LIBRARY.impl(f"{name}_backward", self.backward, "CPU")
        forward, backward = f"fastact::{name}", f"fastact::{name}_backward"
        torch.library.register_fake(forward, self._new, lib=LIBRARY)
        torch.library.register_fake(backward, self._new_gradients, lib=LIBRARY)
        torch.library.register_autograd(
            forward, self._differentiated, setup_context=self._keep_for_backward, lib=LIBRARY
        )
        torch.library.register_autograd(
            backward, self._differentiated_twice, setup_context=self._keep_for_double_backward, lib=LIBRARY
        )
        torch.library.register_vmap(forward, self._forward_of_batches, lib=LIBRARY)
        torch.library.register_vmap(backward, self._backward_of_batches, lib=LIBRARY)
        self.traced = getattr(torch.ops.fastact, name).default
        self.traced_backward = getattr(torch.ops.fastact, f"{name}_backward").default

    def forward(self, x: torch.Tensor, *values: Any, out: torch.Tensor | None = None) -> torch.Tensor:
        """The result, in `out` where it is given, which may be x."""
        y = self._new(x, *values) if out is None else out
        self.activation(array_of(x, "x"), **self._given(values), out=array_of(y, "out"))
        return y

    def backward(self, dy: torch.Tensor, saved: torch.Tensor, *values: Any) -> Any:
        """The gradient of x, and that of what is learnt; zeros where it is not asked for."""
        *values, of, learns = values  # type: ignore[assignment]
        given = {n: v for n, v in self._given(values).items() if n in self._backward_names}
        asks = {f"{self.learnt}_grad": learns} if f"{self.learnt}_grad" in self._backward_names else {}
        dx = torch.empty_like(saved)
        result = self.activation.backward(
            array_of(dy, "dy"), **{of: array_of(saved, of)}, **given, **asks, out=array_of(dx, "out")
        )
        if not self.learnt:
            return dx
        dlearnt = torch.zeros_like(values[self.place])
        if isinstance(result, tuple):
            dlearnt.copy_(as_tensor(result[1]).reshape(dlearnt.shape))
        return dx, dlearnt

    def of(self, values: Any) -> str:
        """Which array backward is given: the preferred one, where it tells the derivative."""
        condition = self.row.output_determines
        if not condition or self.row.saves[0] == "x":
            return self.row.saves[0]
        names = dict(zip(self.names, values, strict=True))
        return "y" if expression.function(condition)({"inf": math.inf, **names}) else "x"

    def differentiated(
        self, grads: tuple[Any, ...], dy: torch.Tensor, saved: torch.Tensor, values: Any, of: str
    ) -> tuple[Any, Any, Any]:
        """Gradients of dy, of what was saved and of what is learnt, from those of backward's results."""
        given = dict(zip(self.names, values, strict=True))
        if given.get("seed") is not None and self.row.shape.draws_slopes:
            minus = torch.full_like(saved, -1.0, memory_format=torch.contiguous_format)
            given["slope"] = -self.forward(minus, *values)
        return texts.differentiated(self.row, of, self.learnt, grads, dy, saved, given)

    def _given(self, values: Any) -> dict[str, Any]:
        """The arguments of the call on arrays."""
        given = dict(zip(self.names, values, strict=True))
        for name, value in given.items():
            if not isinstance(value, torch.Tensor):
                continue
            if name == "seed":
                given[name] = int(value) % 2**64
            elif name == self.learnt and name in self.row.numbers:
                given[name] = self._one_number(name, value)
            else:
                given[name] = array_of(value, name)
        return given

    def _one_number(self, name: str, value: torch.Tensor) -> float:
        if value.numel() != 1:
            raise ValueError(f"{self.row.name}: {name} has shape {tuple(value.shape)}; allowed is one number")
        return float(value.detach())

    def _new(self, x: torch.Tensor, *values: Any) -> torch.Tensor:
        """A tensor for the result."""
        shape = self.row.shape
        if not shape.shrinks:
            return torch.empty_like(x)
        axis = normalize_axis_index(values[self._axis], x.ndim)  # type: ignore[index]
        parts = values[self.names.index("pieces")] if "pieces" in self.names else shape.inputs
        return x.new_empty([*x.shape[:axis], x.shape[axis] // max(parts, 1), *x.shape[axis + 1 :]])

    def _new_gradients(self, dy: torch.Tensor, saved: torch.Tensor, *values: Any) -> Any:
        if self.place is None:
            return torch.empty_like(saved)
        return torch.empty_like(saved), torch.empty_like(values[self.place])

    # What torch.library asks for: the same as gradients.py has for calls that nothing traces.

    def _keep_for_backward(self, ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        x, *values = inputs
        ctx.of = self.of(values)
        keep(ctx, (x if ctx.of == "x" else output, *values))

    def _differentiated(self, ctx: Any, dy: torch.Tensor) -> tuple[Any, ...]:
        saved, *values = kept(ctx)
        learns = self.place is not None and ctx.needs_input_grad[1 + self.place]
        result = self.traced_backward(dy, saved, *values, ctx.of, learns)
        return self.in_places(*(result if self.learnt else (result,)))

    def in_places(self, first: Any, learnt: Any = None) -> tuple[Any, ...]:
        """Gradients of x and of what is learnt, among None for the other values of a call."""
        return (first, *(learnt if i == self.place else None for i in range(len(self.names))))

    def _keep_for_double_backward(self, ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *tensors, ctx.of, _ = inputs
        keep(ctx, tensors)

    def _differentiated_twice(self, ctx: Any, *grads: Any) -> tuple[Any, ...]:
        dy, saved, *values = kept(ctx)
        of_dy, *others = self.differentiated(grads, dy, saved, values, ctx.of)
        return (of_dy, *self.in_places(*others), None, None)

    def _forward_of_batches(self, info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, Any]:
        return self._of_batches(self.traced, 1, info, in_dims, inputs)

    def _backward_of_batches(self, info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, Any]:
        return self._of_batches(self.traced_backward, 2, info, in_dims, inputs)

    def _of_batches(
        self, traced: Any, arrays: int, info: Any, in_dims: tuple[Any, ...], inputs: Any
    ) -> tuple[Any, Any]:
        """All batches at once where nothing but x, dy and y has them, else one after the other."""
        batches = [
            value if dim is None else value.movedim(dim, 0)
            for value, dim in zip(inputs, in_dims, strict=True)
        ]
        if self.learnt or any(dim is not None for dim in in_dims[arrays:]):
            each = [
                traced(*(v if d is None else v[i] for v, d in zip(batches, in_dims, strict=True)))
                for i in range(info.batch_size)
            ]
            if not isinstance(each[0], tuple):
                return torch.stack(each), 0
            return tuple(map(torch.stack, zip(*each, strict=True))), (0,) * len(each[0])
        for i in range(arrays):
            if in_dims[i] is None:
                batches[i] = batches[i].expand(info.batch_size, *batches[i].shape)
        if self._axis is not None:
            axis = normalize_axis_index(batches[arrays + self._axis], batches[0].ndim - 1)
            batches[arrays + self._axis] = axis + 1
        return traced(*batches), 0


def array_of(tensor: torch.Tensor, name: str) -> Any:
    """The memory of a tensor as a NumPy array."""
    return of_tensor(tensor.detach(), name)


def keep(ctx: Any, values: Any) -> None:
    """Save the tensors among values for backward as torch wants them, and the others beside them."""
    tensors = [isinstance(value, torch.Tensor) for value in values]
    ctx.save_for_backward(*(v if is_one else None for v, is_one in zip(values, tensors, strict=True)))
    ctx.others = [None if is_one else value for value, is_one in zip(values, tensors, strict=True)]


def kept(ctx: Any) -> Iterator[Any]:
    """What `keep` has saved."""
    saved = ctx.saved_tensors
    return (other if tensor is None else tensor for tensor, other in zip(saved, ctx.others, strict=True))


operators = {row.name: Operator(row) for row in catalog.rows}
"""Every activation's, by its name."""
