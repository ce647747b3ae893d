"""A formula of the catalog as mathematics, in LaTeX."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from fastact.catalog import Pass, Row

SUM, PRODUCT, MINUS, POWER, ATOM = range(5)
"""How tightly a text binds: what binds less than its place asks for is put in parentheses."""

Term = tuple[str, int]

GREEK = {"alpha": r"\alpha", "beta": r"\beta", "lambd": r"\lambda", "tau": r"\tau", "pi": r"\pi"}

NAMES = {
    "dy": r"\bar y",
    "temperature": "T",
    "threshold": r"\theta",
    "noise": "g",
    "value": "v",
    "weight": "w",
}
"""What a parameter with a long name is called, where that would make a formula unreadable."""

RELATIONS: dict[type, str] = {
    ast.Gt: ">", ast.GtE: r"\geq", ast.Lt: "<", ast.LtE: r"\leq", ast.Eq: "=",
}  # fmt: skip

FUNCTIONS = {
    "tanh": r"\tanh", "log": r"\ln", "erf": r"\operatorname{erf}", "erfc": r"\operatorname{erfc}",
    "sigmoid": r"\sigma", "sign": r"\operatorname{sgn}",
}  # fmt: skip

OF_PASSES = {
    "bias": "b",
    "c_next": "c'",
    "drawn": "u",
    "eps": r"\varepsilon",
    "h_next": "h'",
    "mask": "m",
    "residual": "r",
    "rstd": r"\rho",
    "scale": "s",
    "target": "t",
    "total": r"\delta",
    "weight": "w",
    "y0": r"\hat x",
}
"""The letters of passes; a gradient has the bar of its letter."""

MEANINGS = {
    "mean": "mean and var are those of what is normalised together (a row; of `batch_norm` a channel), and "
    "sums of gradients run over all that has a weight in common",
    "bias": "$b$ is `bias`, where there is one",
    "c_next": "$c'$ is the next state, `c_next`",
    "drawn": "$u$ is drawn evenly from 0 to 1, by the seed and the element's place",
    "eps": r"$\varepsilon$ is `eps`",
    "h_next": "$h'$ is the next state",
    "mask": "$m$ is the `mask`, $-\\infty$ where an element is not seen",
    "residual": "$r$ is `residual`, where there is one",
    "rstd": r"$\rho$ is `rstd`, one over the root in the formula",
    "scale": "$s$ is `scale`",
    "target": "$t$ is the `target`, a class",
    "total": r"$\delta$ is the gradient of the next state, what comes by way of the output included",
    "weight": "$w$ is `weight`, where there is one",
    "y0": r"$\hat x$ is what was normalised, before the weights",
    "sigmoid": r"$\sigma$ is the logistic function; gradients of gates are those of what it is taken of, "
    "made of what it gives",
}
"""What the letters and words of passes stand for."""

BARE = "mean", "var", "softmax"
"""Functions of a whole row: what they are of has no index."""

INDICES = "ijkl"
"""Of elements of a row: outside of sums, within, and within those."""

DIGITS = 6


def formula(row: Row) -> str:
    """The activation: ``y = ...``."""
    left = "y_i" if row.shape.by_row else "y"
    return f"{left} = {_of_row(row).text(row.formula)}"


def derivative(row: Row, saved: str) -> str:
    """The derivative from what backward saves; where the row says the whole gradient, that."""
    text = row.derivatives[saved]
    whole = row.text(saved) == text
    index = "_i" if row.shape.by_row else ""
    left = rf"\bar x{index}" if whole else r"\frac{dy}{dx}"
    if row.shape.shrinks and not whole:
        left = r"\frac{\partial y}{\partial x_i}"
    return f"{left} = {_of_row(row).text(text)}"


def legend(row: Row, *texts: str) -> list[tuple[str, str]]:
    """What letters of some of the row's texts stand for: the letter, and its meaning in words."""
    nodes = (node for text in texts for node in ast.walk(ast.parse(text)))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    meanings = {p.name: f"`{p.name}`, {p.meaning}" for p in row.parameters}
    for name, words in (("weight", "`weight`, the slope"), ("slope", "the slope that is drawn")):
        if name not in meanings and not (name == "slope" and "slope" in row.numbers):
            meanings[name] = words
    meanings["noise"] = "noise that is drawn, -log(-log(u)) of uniform u"
    meanings["sigmoid"] = "the logistic function, 1 / (1 + exp(-z))"
    meanings["dy"] = "the gradient of the output"
    meanings["sparse_threshold"] = "the threshold for which the outputs sum to 1"
    return [(_letter(name), meanings[name]) for name in sorted(used & set(meanings))]


def equations(row: Pass) -> list[str]:
    """What a pass gives, an equation for each."""
    writer = _of_pass(row)
    return [f"{writer.name(name)} = {writer.text(text)}" for name, text in _statements(row.formula, "y")]


def gradients(row: Pass) -> list[str]:
    """What its backward gives; what several of them are made of comes before them."""
    writer = _of_pass(row)
    shared, given = [], []
    for of, text in row.derivatives.items():
        index = f"_{INDICES[0]}" if of in writer.indexed else ""
        for name, part in _statements(text, ""):
            left = writer.name(name) if name else _barred(writer.name(of)) + index
            (shared if name else given).append(f"{left} = {writer.text(part)}")
    return [*dict.fromkeys(shared), *given]


def words(row: Pass) -> list[str]:
    """What the letters and words of its equations stand for."""
    texts = (row.formula, *row.derivatives.values())
    parts = [part for text in texts for part in _statements(text, "")]
    nodes = (node for _, part in parts for node in ast.walk(ast.parse(part)))
    used = {name for name, _ in parts} | {node.id for node in nodes if isinstance(node, ast.Name)}
    return [meaning for name, meaning in MEANINGS.items() if name in used]


def _of_pass(row: Pass) -> _Writer:
    """The names of its arrays have indices where elements of a row are summed."""
    following = {name: f"{name}'" for name in "ch" if f"{name}_next =" in row.formula}
    states = {f"d{name}": _barred(following.get(name, name)) for name in "ch"}
    return _Writer({"x", "mask"} if "sum(" in row.formula else set(), {**NAMES, **OF_PASSES, **states})


def _barred(letter: str) -> str:
    """The gradient of what a letter stands for: the bar is its own, not that of a prime or an index."""
    return rf"\bar{{{letter[0]}}}{letter[1:]}"


def _statements(text: str, unnamed: str) -> Iterator[tuple[str, str]]:
    """The expressions of a text that commas part, each with the name that it is given there."""
    for part in re.split(r", (?:with )?(?=\w+ = )", text):
        name, given, expression = part.partition(" = ")
        yield (name, expression) if given else (unnamed, part)


def _letter(name: str) -> str:
    if name == "sigmoid":
        return r"\sigma(z)"
    if name == "sparse_threshold":
        return r"\tau(z)"
    return _Writer(set()).name(name)


def _of_row(row: Row) -> _Writer:
    """The writer of an activation's texts: in rows and groups the names of arrays have an index."""
    return _Writer({"x", "y", "dy", "noise"} if row.shape.by_row or row.kind == "pieces" else set())


class _Writer:
    """Writes texts, with letters for names; what is `indexed` has i outside of sums, j within."""

    def __init__(self, indexed: set[str], letters: Mapping[str, str] = NAMES) -> None:
        self.indexed, self.letters, self.depth = indexed, letters, 0

    def name(self, name: str) -> str:
        if name in self.letters:
            return self.letters[name]
        if name in GREEK:
            return GREEK[name]
        return name if re.fullmatch("[a-z](_[a-z])?", name) else rf"\text{{{name}}}"

    def text(self, text: str) -> str:
        return self.write(ast.parse(text, mode="eval").body)[0]

    def at_least(self, node: ast.expr, strength: int) -> str:
        """The text of a node, in parentheses where it binds less than that."""
        text, own = self.write(node)
        return text if own >= strength else rf"\left({text}\right)"

    def write(self, node: ast.expr) -> Term:
        match node:
            case ast.Constant(value=value):
                return _number(value), ATOM
            case ast.Name(id=name):
                letter = self.name(name)
                return (f"{{{letter}}}_{INDICES[self.depth]}" if name in self.indexed else letter), ATOM
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Name(id=place)):
                return f"{{{self.name(name)}}}_{self.name(place)}", ATOM
            case ast.BinOp(op=ast.Pow(), left=base, right=ast.Constant(value=int(exponent))):
                return self.power(base, exponent), POWER
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.negative(operand)
            case ast.BinOp(op=ast.Add() | ast.Sub() as op, left=left, right=right):
                minus = isinstance(op, ast.Sub)
                after = self.at_least(right, PRODUCT if minus else SUM)
                if not minus and after.startswith("-"):
                    after = rf"\left({after}\right)"
                return f"{self.at_least(left, SUM)} {'-' if minus else '+'} {after}", SUM
            case ast.BinOp(op=ast.Mult()):
                return self.product(node)
            case ast.BinOp(op=ast.Div(), left=left, right=right):
                above, below = self.write(left)[0], self.write(right)[0]
                if above.startswith("-") and self.write(left)[1] == SUM and " " not in above:
                    return rf"-\frac{{{above[1:]}}}{{{below}}}", SUM
                return rf"\frac{{{above}}}{{{below}}}", POWER
            case ast.Compare(ops=[op], left=left, comparators=[right]):
                return f"{self.write(left)[0]} {RELATIONS[type(op)]} {self.write(right)[0]}", SUM
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.call(name, args)
        raise ValueError(f"{ast.unparse(node)!r} has no form in mathematics")

    def negative(self, node: ast.expr) -> Term:
        match node:
            case ast.Call(func=ast.Name(id="expm1"), args=[argument]):
                return f"1 - {self.call('exp', [argument])[0]}", SUM
        return f"-{self.at_least(node, PRODUCT)}", SUM

    def product(self, node: ast.expr) -> Term:
        """Factors in their order, equal ones as a power, the sign of the first in front of them all."""
        factors = list(_factors(node))
        sign = ""
        while isinstance(factors[0], ast.UnaryOp):
            sign, factors[0] = "" if sign else "-", factors[0].operand
        counts = Counter(map(ast.dump, factors))
        distinct = {ast.dump(factor): factor for factor in factors}
        text = sign
        for form, factor in distinct.items():
            written = self.power(factor, counts[form]) if counts[form] > 1 else self.at_least(factor, PRODUCT)
            dot = written[0].isdigit() or (written.startswith(r"\frac") and text[-1:].isdigit())
            text += (r" \cdot " if dot else r"\,") * (text not in ("", "-")) + written
        return text, SUM if sign else PRODUCT

    def power(self, base: ast.expr, exponent: int) -> str:
        text, strength = self.write(base)
        function = next((name for name in FUNCTIONS.values() if text.startswith(name + r"\left(")), None)
        if function:
            return text.replace(function, f"{function}^{exponent}", 1)
        return f"{text if strength == ATOM else rf'{chr(92)}left({text}{chr(92)}right)'}^{exponent}"

    def call(self, name: str, args: list[ast.expr]) -> Term:
        if name in ("max", "sum"):
            return self.reduction(name, args[0])
        if name in ("exp", "expm1"):
            argument = self.write(args[0])[0]
            # What is tall is unreadable as an exponent.
            tall = r"\frac" in argument
            power = rf"\exp\left({argument}\right)" if tall else f"e^{{{argument}}}"
            return (power, POWER) if name == "exp" else (f"{power} - 1", SUM)
        if name in BARE:
            return self.bare(name, args[0])
        if name in FUNCTIONS:
            return rf"{FUNCTIONS[name]}\left({self.write(args[0])[0]}\right)", POWER
        return OTHERS[name](self, *args)

    def reduction(self, name: str, argument: ast.expr) -> Term:
        if not self.indexed:
            # Over rows, or over all of a channel: there is no index to tell them by.
            return rf"\sum {self.at_least(argument, PRODUCT)}", PRODUCT
        self.depth += 1
        try:
            sign = rf"\max_{INDICES[self.depth]}\," if name == "max" else rf"\sum_{INDICES[self.depth]}"
            return f"{sign} {self.at_least(argument, PRODUCT)}", PRODUCT
        finally:
            self.depth -= 1

    def bare(self, function: str, argument: ast.expr) -> Term:
        """A function of a whole row, or an element of it: what it is of has no index."""
        of_row = _Writer(set(), self.letters).write(argument)[0]
        index = f"_{INDICES[self.depth]}" if self.indexed else ""
        return rf"\operatorname{{{function}}}\left({of_row}\right){index}", POWER

    def where(self, condition: ast.expr, chosen: ast.expr, other: ast.expr) -> Term:
        test, then, otherwise = (self.write(node)[0] for node in (condition, chosen, other))
        if (then, otherwise) == ("1", "0"):
            return rf"\left[{test}\right]", ATOM
        cases = rf"{then} & \text{{if }} {test} \\ {otherwise} & \text{{otherwise}}"
        return rf"\begin{{cases}} {cases} \end{{cases}}", SUM

    def several(self, function: str, *args: ast.expr) -> Term:
        listed = r",\; ".join(self.write(argument)[0] for argument in args)
        return rf"{function}\left({listed}\right)", POWER

    def minus_tanh(self, node: ast.expr) -> Term:
        return rf"{self.at_least(node, PRODUCT)} - \tanh\left({self.write(node)[0]}\right)", SUM


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            yield from _factors(left)
            yield from _factors(right)
        case _:
            yield node


def _number(value: float) -> str:
    if isinstance(value, int) or len(repr(value)) <= DIGITS + 2:
        return str(value)
    # Cut, not rounded: the dots say that digits follow.
    factor = 10 ** (DIGITS - 1 - math.floor(math.log10(abs(value))))
    return rf"{math.trunc(value * factor) / factor}\ldots"


OTHERS: dict[str, Callable[..., Term]] = {
    "where": _Writer.where,
    "maximum": lambda writer, a, b: writer.several(r"\max", a, b),
    "minimum": lambda writer, a, b: writer.several(r"\min", a, b),
    "join": lambda writer, a, b: writer.several("", a, b),
    "sqrt": lambda writer, a: (rf"\sqrt{{{writer.write(a)[0]}}}", ATOM),
    "abs": lambda writer, a: (rf"\left|{writer.write(a)[0]}\right|", ATOM),
    "log1p": lambda writer, a: (rf"\ln\left(1 + {writer.at_least(a, SUM)}\right)", POWER),
    "float64": lambda writer, a: writer.write(a),
    "sparse_threshold": lambda writer, a: (rf"\tau\left({writer.write(a)[0]}\right)", POWER),
    "x_minus_tanh": _Writer.minus_tanh,
    "one_hot": lambda writer, a: (rf"\left[i = {writer.write(a)[0]}\right]", ATOM),
}
