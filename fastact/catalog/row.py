"""What a row of the catalog holds: the fields of `Row`, and the words that its formulas may use."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from .arguments import OF_SCORES, OUT, REQUIRED, WHERE, Argument
from .properties import Claim, Properties
from .shapes import SHAPES, Shape

VOCABULARY = (
    "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "erf", "erfc",
    "abs", "sign", "where", "maximum", "minimum", "max", "sum", "sparse_threshold", "join", "pi",
    "x_minus_tanh", "float64",
)  # fmt: skip
"""Names a formula may use beside ``x``, ``y`` and its parameters.

``max`` and ``sum`` run along ``axis``; ``sparse_threshold(x)`` is the t for which ``sum(maximum(x - t, 0))``
is 1; ``join(da, db)`` puts two halves together along it. The halves of a gated activation's ``x`` are ``a``
and ``b``. ``x_minus_tanh(x)`` is ``x - tanh(x)`` without its cancellation, ``float64`` rounds to that type.
"""


SAVED = {
    "x": "The forward input.",
    "y": "The forward output.",
    "which": "The positions of the largest values, from ``return_which=True``.",
}
"""What backward may be given of the forward call."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of an activation, in the order of its kernel's constructor."""

    name: str
    default: float | str | None
    """Its value where a call does not give it, or `REQUIRED`."""
    meaning: str
    constraint: str = ""
    """An expression over the activation's parameters that must hold; empty where every number does."""
    infinite: bool = False
    """Whether it may be infinite: where that is a function of its own."""
    none: float | None = None
    """The number that None stands for, as default too; without one, None is no value."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """Where the value is a word: the row that each word hands the call over to."""
    example: float | None = None
    """What examples, tests and measurements give where it is required."""
    gradient: str = ""
    """dy/dparameter over ``x``, where backward can be asked for it by the parameter's name and ``_grad``."""

    @property
    def number(self) -> float | None:
        """The default as the kernel gets it, or the example where there is none."""
        if self.default is REQUIRED:
            return self.example
        return self.none if self.default is None else self.default  # type: ignore[return-value]

    @property
    def allowed(self) -> str:
        """The numbers that it may be, in the words of docstrings and errors; empty for words."""
        if self.choices:
            return ""
        if self.infinite:
            return self.constraint or "every number"
        return f"{self.constraint}, finite" if self.constraint else "every finite number"

    @property
    def kind(self) -> str:
        """Its type, in the words of a docstring."""
        if self.choices:
            return f"{{{', '.join(map(repr, self.choices))}}}"
        return "float" if self.none is None else "float or None"


@dataclass(frozen=True)
class Convention:
    """How another library spells an activation, where that is not the row's own text or not the same."""

    library: str
    """torch, jax, keras, onnx, tensorflow or thinc."""
    theirs: str
    """Its call, with its defaults."""
    differs: str = ""
    """What is not as here; empty where nothing is."""
    call: str = ""
    """How to get theirs; empty where the plain call does, or nothing can."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What fastact knows of one activation; a row leaves out what is as in most of them, as said here."""

    name: str
    kind: str = "elementwise"
    """Shape of its work, a name of `SHAPES`."""
    formula: str
    derivatives: dict[str, str]
    """dy/dx as a function of what backward saves, the preferred first."""
    range: str
    properties: Properties
    """What it is as a function, at the default parameters."""
    claims: tuple[Claim, ...] = ()
    """What is widely said of it and is not so."""
    strengths: str
    """What it is for, in one to three sentences; every number in them is one that the row holds."""
    weaknesses: str
    """Where it fails, likewise."""
    reference: str
    parameters: tuple[Parameter, ...] = ()
    takes_where: bool = False
    """Whether ``where=`` can leave elements of a row out: 0, and not counted."""
    masked_kernel: str = ""
    """The kernel of rows with a scale and masks (of attention's scores), where a call takes these."""
    negates: bool = False
    """Whether that kernel's x is the negative of the call's."""
    output_determines: str = ""
    """A condition on the parameters under which the derivative can be had from ``y``."""
    torch: str = ""
    """The same in ``torch.nn.functional``, over ``x`` (or its halves) and the parameters; likewise below."""
    torch_backward: str = ""
    """The ATen operator that has an ``out=`` form, over ``dy``, ``x`` or ``y``; else autograd serves."""
    jax: str = ""
    """In ``jax.nn``."""
    onnx: str = ""
    """An operator of ONNX and its attributes."""
    keras: str = ""
    """In ``keras.activations``."""
    conventions: tuple[Convention, ...] = ()
    """What docs/conventions.md says of other libraries beyond the texts above."""
    scipy: str = ""
    """In ``scipy.special``."""

    @property
    def shape(self) -> Shape:
        """What all activations of its kind have in common."""
        return SHAPES[self.kind]

    @property
    def monotonic(self) -> bool:
        """Whether the output falls nowhere as x rises."""
        return self.properties.monotonic

    @property
    def saturates(self) -> bool:
        """Whether the output has a finite limit on both sides."""
        return self.properties.saturates

    @property
    def zero_centered(self) -> bool:
        """Whether the outputs of standard normal inputs have the mean 0."""
        return self.properties.zero_centered

    @property
    def numbers(self) -> dict[str, float]:
        """The parameters that the formula and the kernel know, with their defaults or examples."""
        return {p.name: p.number for p in self.parameters if not p.choices}  # type: ignore[misc]

    @property
    def saves(self) -> tuple[str, ...]:
        return tuple(self.derivatives)

    @property
    def sign_will_do(self) -> bool:
        """Whether the derivative from y depends on no more of it than whether it is above 0."""
        nodes = list(ast.walk(ast.parse(self.derivatives.get("y", "y"))))
        read = [node for node in nodes if isinstance(node, ast.Name) and node.id == "y"]
        return len(read) == sum(
            isinstance(node, ast.Compare) and ast.unparse(node) == "y > 0" for node in nodes
        )

    def text(self, saved: str = "") -> str:
        """The formula of the result, or of dL/dx from the array that was `saved`."""
        if not saved:
            return self.formula
        text = self.derivatives[saved]
        names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        # Where a derivative names dy, that is the whole already.
        return text if "dy" in names else f"dy * ({text})"

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What a call takes beside x, in the order of its signature: `out` is the last by position."""
        own = self._own(self.shape.parameters_by_name)
        others = [a for a in self.shape.arguments if a.only != "backward"]
        by_position = [a for a in others if not a.by_name]
        by_name = [*(a for a in others if a.by_name), *self._of_scores, *[WHERE] * self.takes_where]
        return tuple(sorted([*own, *by_position, OUT, *by_name], key=lambda argument: argument.by_name))

    @property
    def backward_arguments(self) -> tuple[Argument, ...]:
        """What backward takes beside dy, by name: first what was saved, of which a call gives exactly one."""
        names = (*self.saves, *(name for name in self.shape.also_saves if name not in self.saves))
        needed = REQUIRED if len(names) == 1 else None
        saved = [Argument(name, needed, "array_like", SAVED[name]) for name in names]
        learnt = [
            Argument(f"{p.name}_grad", False, "bool", f"Whether to return the gradient of {p.name} too.")
            for p in self.parameters
            if p.gradient
        ]
        others = [a for a in self.shape.arguments if a.only != "forward"]
        return (*saved, *self._own(), *learnt, *self._of_scores, *others, OUT)

    @property
    def _of_scores(self) -> tuple[Argument, ...]:
        return OF_SCORES if self.masked_kernel else ()

    def _own(self, by_name: bool = True) -> list[Argument]:
        allowed = {p.name: f" Allowed: {p.allowed}." if p.allowed else "" for p in self.parameters}
        return [
            Argument(p.name, p.default, p.kind, f"{p.meaning.capitalize()}.{allowed[p.name]}", by_name)
            for p in self.parameters
        ]

    @property
    def required(self) -> dict[str, float]:
        """The examples of the parameters without a default."""
        return {p.name: p.example for p in self.parameters if p.default is REQUIRED}  # type: ignore[misc]

    @property
    def held_at(self) -> str:
        """What a call gives for `properties` to hold; no seed changes what noisy rows are."""
        needed = {} if self.shape.by_row else self.shape.needs
        return ", ".join(f"{name}={value:g}" for name, value in {**self.numbers, **needed}.items())

    @property
    def needs(self) -> dict[str, float]:
        """Examples of all that a call cannot go without, but `x`."""
        return {**self.shape.needs, **self.required}

    def names(self, **given: float) -> dict[str, float]:
        """What the formula calls the arguments of a call; without a seed every random slope is the mean."""
        values = {**self.numbers, **given}
        if self.shape.draws_slopes:
            return {"slope": (values["lower"] + values["upper"]) / 2}
        return values
