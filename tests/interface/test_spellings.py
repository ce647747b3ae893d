"""`fa.get` knows what other libraries call an activation, and binds what they have otherwise."""

from __future__ import annotations

import ast
import importlib

import numpy as np
import pytest

import fastact as fa
from fastact.catalog.spellings import OTHERS, TEXTS, meanings, spellings

PLAIN = {
    **{"ReLU": "relu", "ReLU6": "relu6", "SiLU": "silu", "GELU": "gelu", "ELU": "elu", "SELU": "selu"},
    **{"CELU": "celu", "GLU": "glu", "PReLU": "prelu", "RReLU": "rrelu", "LeakyReLU": "leaky_relu"},
    **{"Mish": "mish", "Hardswish": "hardswish", "Hardsigmoid": "hardsigmoid", "Hardtanh": "hardtanh"},
    **{"Hardshrink": "hardshrink", "Softshrink": "softshrink", "Softsign": "softsign", "Tanh": "tanh"},
    **{"Sigmoid": "sigmoid", "LogSigmoid": "logsigmoid", "Softmax": "softmax", "Softmin": "softmin"},
    **{"LogSoftmax": "log_softmax", "Tanhshrink": "tanhshrink", "Threshold": "threshold"},
    **{"Relu": "relu", "LeakyRelu": "leaky_relu", "Elu": "elu", "Selu": "selu", "Celu": "celu"},
    **{"HardSwish": "hardswish", "Gelu": "gelu", "Exp": "exponential", "Identity": "identity"},
    **{"hard_sigmoid": "hardsigmoid", "hard_silu": "hardswish", "hard_swish": "hardswish"},
    **{"hard_tanh": "hardtanh", "log_sigmoid": "logsigmoid", "soft_sign": "softsign", "linear": "identity"},
    **{"hard_shrink": "hardshrink", "soft_shrink": "softshrink", "tanh_shrink": "tanhshrink"},
    **{"logistic": "sigmoid", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"},
    **{
        "gelu_fast": "gelu_tanh",
        "gelu_accurate": "gelu_tanh",
        "gelu_python": "gelu",
        "relu2": "squared_relu",
    },
    **{"keras:relu": "relu", "jax:swish": "silu", "keras:swish": "silu", "huggingface:swish": "silu"},
    **{"torch:leaky_relu": "leaky_relu", "onnx:Softplus": "softplus", "jax:softplus": "softplus"},
    **{"torch:SiLU": "silu", "sklearn:identity": "identity", "jax:softmax": "softmax"},
}
"""Names elsewhere of what is the same here."""

BOUND = {
    "HardSigmoid": fa.hardsigmoid.bind(slope=0.2),
    "ThresholdedRelu": fa.threshold.bind(threshold=1.0, value=0),
    "PRelu": fa.prelu.bind(axis=-1),
    "keras:leaky_relu": fa.leaky_relu.bind(negative_slope=0.2),
    "torch:Softplus": fa.softplus.bind(threshold=20.0),
    "torch:softplus": fa.softplus.bind(threshold=20.0),
    "jax:gelu": fa.gelu.bind(approximate="tanh"),
}
"""Names elsewhere of what has other defaults here: every one that the catalog tells of."""


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_elsewhere_gives_the_activation_itself(name):
    assert fa.get(name) is fa.activations[PLAIN[name]]


@pytest.mark.parametrize("name", BOUND)
def test_a_name_of_other_defaults_gives_theirs_and_says_so(name):
    assert fa.get(name) == BOUND[name]
    assert repr(fa.get(name)) == repr(BOUND[name])


def test_every_binding_is_one_of_those():
    """So that none comes in by the wording of a row."""
    names = {n for known in spellings().values() for n, meaning in known.items() if meaning.parameters}
    assert names == {name.rpartition(":")[2] for name in BOUND}


def test_a_name_of_ours_means_ours(row):
    assert fa.get(row.name) is fa.activations[row.name]


def test_a_rows_own_words_spell_it(row):
    """An activation that is added needs no other place."""
    for library in TEXTS:
        text = getattr(row, library)
        call = ast.parse(text, mode="eval").body if text else None
        if isinstance(call, ast.Call) and [ast.unparse(argument) for argument in call.args] == ["x"]:
            known = meanings(f"{library}:{ast.unparse(call.func)}")[library]
            assert known.name == row.name or call.keywords or library in {e.library for e in row.conventions}


def test_a_name_that_libraries_mean_differently_is_refused_with_the_choices():
    with pytest.raises(
        ValueError, match=r"torch:Softplus is softplus\(threshold=20.0\), onnx:Softplus is softplus"
    ):
        fa.get("Softplus")


def test_what_is_no_activation_here_is_refused_with_what_to_call():
    with pytest.raises(ValueError, match=r"call hardtanh\(gelu\(x\), -10, 10\)"):
        fa.get("gelu_10")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("kears:relu", ["'kears:relu'", *TEXTS, *OTHERS]),
        ("keras:leaky_rleu", ["'keras:leaky_rleu'", "did you mean leaky_relu"]),
        ("Clip", ["'Clip'"]),
        ("GumbelSoftmax", ["'GumbelSoftmax'", "gumbel_softmax"]),
        ("LayerNorm", ["'LayerNorm'", "did you mean layer_norm (a pass, fastact.layer_norm)"]),
    ],
)
def test_a_name_that_none_has_is_refused_with_those_there_are(name, words):
    with pytest.raises(ValueError, match="there is no activation") as refused:
        fa.get(name)
    assert not [word for word in words if word not in str(refused.value)]


@pytest.mark.parametrize("name", fa.passes)
def test_a_pass_is_said_to_be_one(name):
    with pytest.raises(
        ValueError, match=f"'{name}' is no activation but a pass around them; .* fastact.{name}"
    ):
        fa.get(name)


def test_every_other_name_leads_to_an_activation():
    for library, names in OTHERS.items():
        for name, call in names.items():
            known = meanings(f"{library}:{name}")[library]
            assert known.name in fa.activations or known.instead == call


def _modules_of_torch() -> list[str]:
    return [name for name in spellings()["torch"] if name[0].isupper()]


def test_torch_has_the_modules_and_they_compute_the_same():
    torch = pytest.importorskip("torch")
    x = np.linspace(-4, 30, 64).reshape(4, 16)
    needs = {"threshold": (0.1, 20.0)}
    for name in _modules_of_torch():
        ours = fa.get(f"torch:{name}")
        module = getattr(torch.nn, name)(*needs.get(ours.name, ()), **({"dim": -1} if "oftm" in name else {}))
        theirs = module.eval().double()(torch.tensor(x)).detach().numpy()
        given = ours.row.needs if not ours.row.shape.names or "weight" in ours.row.needs else {}
        np.testing.assert_allclose(ours(x, **given), theirs, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize(("library", "module"), [("jax", "jax.nn"), ("keras", "keras.activations")])
def test_a_library_has_the_functions_and_they_compute_the_same(library, module):
    if library == "keras":
        pytest.importorskip("jax")  # which keras's NumPy backend imports
    pytest.importorskip(library)
    functions = importlib.import_module(module)
    x = np.linspace(-4, 4, 64, dtype=np.float32).reshape(4, 16)
    for name in spellings()[library].keys() - ({"sparsemax"} if library == "keras" else set()):
        # keras 3 sums along another axis than its sparsemax is asked for.
        theirs = getattr(functions, name, None) or getattr(importlib.import_module("jax.numpy"), name)
        needed = [0.1, 20.0] if name == "threshold" else []
        ours = fa.get(f"{library}:{name}")(x, **dict(zip(("threshold", "value"), needed, strict=False)))
        np.testing.assert_allclose(ours, np.asarray(theirs(x, *needed)), rtol=1e-4, atol=1e-6, err_msg=name)


def test_onnx_has_the_operators():
    defs = pytest.importorskip("onnx.defs")
    for name in spellings()["onnx"]:
        assert defs.has(name), name


def test_get_reads_other_names_when_they_are_asked_for(fresh_python):
    run = fresh_python(
        "import fastact, sys; fastact.get('silu'); print('fastact.core.lookup' in sys.modules, end=' '); "
        "fastact.get('SiLU'); print('fastact.core.lookup' in sys.modules)"
    )
    assert run.stdout.split() == ["False", "True"], run.stderr
