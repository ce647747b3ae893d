"""Autograd's functions around the kernels: one with the fewest steps, and one that torch.func transforms."""

from __future__ import annotations

from typing import Any

import torch

from .operators import Operator, keep, kept


class Forward(torch.autograd.Function):
    """An activation whose gradient is recorded; in place where that is had from the output."""

    @staticmethod
    def forward(ctx: Any, operator: Operator, inplace: bool, x: torch.Tensor, *values: Any) -> torch.Tensor:
        ctx.operator, ctx.of = operator, operator.of(values)
        if inplace:
            ctx.mark_dirty(x)
        y = operator.forward(x, *values, out=x if inplace else None)
        keep(ctx, (x if ctx.of == "x" else y, *values))
        return y

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[Any, ...]:
        operator, (saved, *values) = ctx.operator, kept(ctx)
        learns = operator.place is not None and ctx.needs_input_grad[3 + operator.place]
        if torch.is_grad_enabled():
            result = Backward.apply(operator, ctx.of, learns, dy, saved, *values)
        else:
            result = operator.backward(dy, saved, *values, ctx.of, learns)
        return (None, None, *operator.in_places(*(result if operator.learnt else (result,))))


class Backward(torch.autograd.Function):
    """A gradient whose own gradient is recorded."""

    @staticmethod
    def forward(
        ctx: Any,
        operator: Operator,
        of: str,
        learns: bool,
        dy: torch.Tensor,
        saved: torch.Tensor,
        *values: Any,
    ) -> Any:
        ctx.operator, ctx.of = operator, of
        keep(ctx, (dy, saved, *values))
        return operator.backward(dy, saved, *values, of, learns)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        operator, (dy, saved, *values) = ctx.operator, kept(ctx)
        of_dy, *others = operator.differentiated(grads, dy, saved, values, ctx.of)
        return (None, None, None, of_dy, *operator.in_places(*others))


class TransformedForward(torch.autograd.Function):
    """An activation under `torch.func`, which knows no functions that save while they compute."""

    generate_vmap_rule = True

    @staticmethod
    def forward(operator: Operator, x: torch.Tensor, *values: Any) -> torch.Tensor:
        return operator.traced(x, *values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.operator, x, *values = inputs
        ctx.of = ctx.operator.of(values)
        keep(ctx, (x if ctx.of == "x" else output, *values))

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[Any, ...]:
        operator, (saved, *values) = ctx.operator, kept(ctx)
        result = TransformedBackward.apply(operator, ctx.of, dy, saved, *values)
        return (None, *operator.in_places(*(result if operator.learnt else (result,))))


class TransformedBackward(torch.autograd.Function):
    """Its gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(operator: Operator, of: str, dy: torch.Tensor, saved: torch.Tensor, *values: Any) -> Any:
        return operator.traced_backward(dy, saved, *values, of, bool(operator.learnt))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.operator, ctx.of, *tensors = inputs
        keep(ctx, tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        operator, (dy, saved, *values) = ctx.operator, kept(ctx)
        of_dy, *others = operator.differentiated(grads, dy, saved, values, ctx.of)
        return (None, None, of_dy, *operator.in_places(*others))
