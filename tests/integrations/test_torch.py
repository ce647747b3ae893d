"""fastact.torch: tensors, autograd, compiler, transforms and modules, for every row of the catalog."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from cases import other_parameters

import fastact as fa
from fastact import catalog

torch = pytest.importorskip("torch")
ft = pytest.importorskip("fastact.torch")
F = torch.nn.functional

ROWS = {row.name: row for row in catalog.rows}
WITH_TORCH = [row for row in catalog.rows if row.torch]
SAME_SHAPE = [row for row in catalog.rows if not row.shape.shrinks]
EVERY = pytest.mark.parametrize("row", catalog.rows, ids=lambda row: row.name)
IN_PLACE = pytest.mark.parametrize("row", SAME_SHAPE, ids=lambda row: row.name)
OF_TORCH = {"rtol": 1e-6, "atol": 1e-6}
"""Its derivatives in float64 have slopes of float32: 1/6 of hardsigmoid, 1 / alpha of celu."""
NO_SECOND = "hardsigmoid"
"""What torch has no second derivative of."""
PAGE = Path(__file__).parents[2].joinpath("docs", "torch.md").read_text(encoding="utf-8")
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def called(row, **given):
    """The function of a row with all that a call needs, random ones with a seed."""
    needs = {**row.needs, **row.shape.may_have, **given}
    return functools.partial(ft.functions[row.name], **needs)


def of_arrays(row, **given):
    return functools.partial(fa.activations[row.name], **{**row.needs, **row.shape.may_have, **given})


def drawn(*shape, dtype=torch.float64, seed=0, grad=True):
    values = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (2 * values).to(dtype).requires_grad_(grad)


def torchs(row, **given):
    """The same by torch's own functions, as the row says."""
    text = re.sub(r"(\w+)\(", r"F.\1(", row.torch)

    def call(x):
        halves = dict(zip("ab", x.chunk(2, -1), strict=True)) if row.shape.halves else {}
        values = {n: (np.inf if v is None else v) for n, v in {**row.numbers, **row.needs, **given}.items()}
        if "weight" in values:
            values["weight"] = torch.as_tensor([values["weight"]], dtype=x.dtype)
        return eval(text, {**values, **halves, "F": F, "x": x, "axis": -1})

    return call


def gradients(function, x, dy=None):
    x = x.detach().clone().requires_grad_()
    y = function(x)
    (dx,) = torch.autograd.grad(y, x, torch.ones_like(y) if dy is None else dy)
    return y.detach(), dx


# Values and derivatives.


@EVERY
def test_the_bits_are_those_of_arrays(row):
    for dtype in DTYPES:
        x = drawn(3, 8, dtype=dtype, grad=False)
        result = called(row)(x)
        assert result.dtype is dtype
        assert torch.equal(result, of_arrays(row)(x))
        assert torch.equal(called(row)(x.requires_grad_()).detach(), result)


@pytest.mark.parametrize("row", WITH_TORCH, ids=lambda row: row.name)
def test_it_is_torchs_function_with_torchs_derivatives(row):
    x = drawn(5, 8, seed=1)
    takes = all(name in row.torch for name in row.numbers)
    for given in ({}, *(other_parameters(row) if takes else ())):
        expected = torchs(row, **given)(x)
        y = called(row, **given)(x)
        torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
        dy = drawn(*y.shape, seed=2)
        (dx,) = torch.autograd.grad(y, x, dy, create_graph=True)
        (theirs,) = torch.autograd.grad(expected, x, dy, create_graph=row.name != NO_SECOND)
        torch.testing.assert_close(dx, theirs, **OF_TORCH)
        if not theirs.requires_grad:
            continue
        v = drawn(*dx.shape, seed=3, grad=False)
        ours = torch.autograd.grad(dx, (x, dy), v)
        others = torch.autograd.grad(theirs, (x, dy), v, allow_unused=True)
        for a, b in zip(ours, others, strict=True):
            torch.testing.assert_close(a, torch.zeros_like(a) if b is None else b, **OF_TORCH)


@EVERY
def test_gradcheck_and_gradgradcheck(row):
    for given in ({}, *other_parameters(row)):
        function = called(row, **given)
        assert torch.autograd.gradcheck(function, (drawn(2, 8),))
        assert torch.autograd.gradgradcheck(function, (drawn(2, 8),))


def test_gradcheck_of_what_is_learnt():
    for weight in (drawn(3, seed=4), drawn(1, seed=4)):
        assert torch.autograd.gradcheck(ft.prelu, (drawn(2, 3, 4), weight))
        assert torch.autograd.gradgradcheck(ft.prelu, (drawn(2, 3, 4), weight))
    assert torch.autograd.gradcheck(lambda x, w: ft.prelu(x, w, dim=-1), (drawn(2, 3), drawn(3)))
    for beta in (torch.tensor(1.3, dtype=torch.float64), torch.tensor([-0.4], dtype=torch.float64)):
        assert torch.autograd.gradcheck(ft.swish, (drawn(2, 3), beta.requires_grad_()))
        assert torch.autograd.gradgradcheck(ft.swish, (drawn(2, 3), beta))


@pytest.mark.parametrize(
    "name", [row.name for row in catalog.rows if row.shape.along_axis and row.kind != "channels"]
)
def test_gradcheck_along_each_axis(name):
    row = ROWS[name]
    for dim in (0, 1, -2):
        function = called(row, dim=dim)
        x = drawn(4, 8, 2)
        assert torch.equal(function(x.detach()), of_arrays(row, axis=dim)(x.detach()))
        assert torch.autograd.gradcheck(function, (x,))
        assert torch.autograd.gradgradcheck(function, (x,))


def test_a_third_derivative():
    x = drawn(5)
    for ours, theirs in ((ft.silu, F.silu), (ft.tanh, torch.tanh)):
        orders = []
        for f in (ours, theirs):
            g = f(x)
            for _ in range(3):
                (g,) = torch.autograd.grad(g.sum(), x, create_graph=True)
            orders.append(g)
        torch.testing.assert_close(*orders)


def test_second_derivatives_of_large_numbers_are_numbers():
    for row in catalog.rows:
        x = torch.tensor([-100.0, -90, 90, 100, -3, 3, 0, 1], requires_grad=True)
        y = called(row)(x)
        (dx,) = torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)
        (ddx,) = torch.autograd.grad(dx, x, torch.ones_like(dx), allow_unused=True)
        # Those of the exponential are infinite.
        assert ddx is None or row.name == "exponential" or torch.isfinite(ddx).all(), row.name


def test_half_precision_has_gradients_too():
    for dtype in (torch.float16, torch.bfloat16):
        for row in catalog.rows:
            y, dx = gradients(called(row), drawn(3, 8, dtype=dtype))
            assert y.dtype is dx.dtype is dtype
            wide, wide_dx = gradients(called(row), drawn(3, 8, dtype=dtype).float())
            tolerance = {"rtol": 0.02, "atol": 0.02}
            torch.testing.assert_close(y.float(), wide, **tolerance)
            torch.testing.assert_close(dx.float(), wide_dx, **tolerance)


@EVERY
def test_tensors_of_any_stride(row):
    base = drawn(8, 6, 8, grad=False)
    views = (base[::2], base.permute(2, 1, 0), base[:, :, :8].mT.contiguous().mT, base[:1].expand(3, 6, 8))
    for view in (*views, base.new_empty(0, 4, 8)):
        expected, dx = gradients(called(row), view.contiguous())
        leaf = view.detach().requires_grad_()
        y = called(row)(leaf)
        assert torch.equal(y, expected)
        # The gradient of a sum is expanded; another is permuted.
        for dy in (torch.ones(()).to(y).expand(y.shape), torch.ones_like(y.mT).mT):
            (found,) = torch.autograd.grad(y, leaf, dy, retain_graph=True)
            torch.testing.assert_close(found, dx, rtol=1e-14, atol=1e-14)


def test_layouts_stay_as_torch_keeps_them():
    x = drawn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert ft.silu(x).is_contiguous(memory_format=torch.channels_last)


def test_numbers_that_torch_infers_are_left_alone():
    with torch.inference_mode():
        x = torch.randn(5)
        assert torch.equal(ft.mish(x), fa.mish(x))
        assert ft.mish(x).is_inference()
        assert ft.relu(x, inplace=True) is x
    with torch.no_grad():
        assert not ft.mish(drawn(3)).requires_grad


# In place.


@IN_PLACE
def test_in_place(row):
    x = drawn(3, 8)
    expected, dx = gradients(called(row), x)
    leaf = x.detach().clone().requires_grad_()
    inner = leaf * 1
    y = called(row)(inner, inplace=True)
    assert y is inner
    assert torch.equal(y, expected)
    y.sum().backward()
    torch.testing.assert_close(leaf.grad, dx, rtol=1e-14, atol=1e-14)
    plain = x.detach().clone()
    assert called(row)(plain, inplace=True) is plain
    assert torch.equal(plain, expected)
    assert torch.autograd.gradgradcheck(lambda x: called(row)(x * 1, inplace=True), (drawn(2, 4),))


def test_in_place_of_a_view():
    leaf = drawn(4, 6)
    base = leaf * 1
    ft.tanh(base[:, ::2], inplace=True)
    other = drawn(4, 6)
    theirs = other * 1
    torch.tanh_(theirs[:, ::2])
    torch.testing.assert_close(base, theirs)
    base.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(leaf.grad, other.grad)


def test_what_another_has_saved_is_found_written():
    for row in (ROWS["tanh"], ROWS["silu"]):
        for grad in (True, False):
            leaf = drawn(3)
            x = leaf * 1
            saved = x.square()
            with torch.set_grad_enabled(grad):
                called(row)(x, inplace=True)
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                saved.sum().backward()


def test_in_place_errors_come_before_anything_is_written():
    leaf = drawn(3)
    before = leaf.detach().clone()
    with pytest.raises(RuntimeError, match="x is a leaf that requires grad"):
        ft.relu(leaf, inplace=True)
    expanded = torch.full((1,), -2.0).expand(3)
    with pytest.raises(RuntimeError, match="x is an expanded tensor"):
        ft.relu(expanded, inplace=True)
    bad = drawn(3, grad=False)
    kept = bad.clone()
    with pytest.raises(ValueError, match=r"beta=-1\.0"):
        ft.softplus(bad, beta=-1, inplace=True)
    assert torch.equal(leaf, before)
    assert expanded.tolist() == [-2.0] * 3
    assert torch.equal(bad, kept)


# The compiler and torch.func.


def compiled(function):
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, backend="aot_eager")


@EVERY
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_compiler_traces_it_whole(row):
    x = drawn(3, 8, dtype=torch.float32)
    function = called(row)
    expected, dx = gradients(lambda x: function(x).square(), x)
    y, found = gradients(compiled(lambda x: function(x).square()), x)
    assert torch.equal(y, expected)
    assert torch.equal(found, dx)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_shapes_may_change_in_a_compiled_function():
    whole = torch.compile(
        lambda x: ft.swiglu(ft.gelu(x)).sum(), fullgraph=True, backend="aot_eager", dynamic=True
    )
    for shape in ((2, 4), (3, 6), (5, 2)):
        x = drawn(*shape)
        torch.testing.assert_close(whole(x), ft.swiglu(ft.gelu(x)).sum())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_in_place_and_random_and_learnt():
    def step(x, weight):
        x = ft.relu(x * 2, inplace=True)
        x = ft.silu(x - 1, inplace=True)
        return (
            ft.prelu(x, weight).sum()
            + ft.rrelu(x, training=True).sum()
            + ft.gumbel_softmax(x, hard=True).sum()
        )

    x, weight = drawn(3, 4), drawn(4)
    torch.manual_seed(0)
    expected = torch.autograd.grad(step(x, weight), (x, weight))
    torch.manual_seed(0)
    found = torch.autograd.grad(compiled(step)(x, weight), (x, weight))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", ["silu", "leaky_relu", "softmax", "swiglu", "prelu", "maxout", "rrelu"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_operators_are_what_torch_expects_of_one(name):
    operator = ft.function.operators[name]
    given = {"negative_slope": 0.1, "axis": -1, "temperature": 2.0, "where": None, "pieces": 4}
    given |= {"weight": drawn(8), "lower": 0.1, "upper": 0.3, "seed": torch.tensor(7)}
    values = [given[n] for n in operator.names]
    torch.library.opcheck(operator.traced, (drawn(3, 8), *values))


def test_meta_tensors_have_shapes_alone():
    for row in catalog.rows:
        y = called(row)(torch.empty(3, 8, device="meta"))
        assert y.is_meta
        assert y.shape == called(row)(torch.zeros(3, 8)).shape


@EVERY
def test_torch_func(row):
    function = called(row)
    v = drawn(3, 4, 8, grad=False)
    if row.shape.may_have or "seed" in row.needs:
        pytest.skip("an element's number follows from its place in the whole")
    torch.testing.assert_close(torch.func.vmap(function)(v), torch.stack([function(t) for t in v]))
    torch.testing.assert_close(
        torch.func.vmap(function, in_dims=2, out_dims=1)(v),
        torch.stack([function(t) for t in v.unbind(2)], 1),
    )
    of_sum = torch.func.grad(lambda t: function(t).square().sum())
    torch.testing.assert_close(
        torch.func.vmap(of_sum)(v), torch.stack([gradients(lambda t: function(t).square(), t)[1] for t in v])
    )


def test_second_derivatives_by_torch_func():
    x = drawn(4, grad=False)
    for ours, theirs in ((ft.silu, F.silu), (ft.tanh, torch.tanh), (ft.softplus, F.softplus)):
        hessians = [
            torch.func.jacrev(torch.func.jacrev(lambda t, f=f: f(t).sum()))(x) for f in (ours, theirs)
        ]
        torch.testing.assert_close(*hessians, rtol=1e-6, atol=1e-9)


def test_per_sample_gradients_of_what_is_learnt():
    x, weight = drawn(5, 3, 4, grad=False), drawn(3, grad=False)
    per_sample = torch.func.vmap(torch.func.grad(lambda w, t: ft.prelu(t[None], w).sum()), in_dims=(None, 0))
    theirs = torch.func.vmap(torch.func.grad(lambda w, t: F.prelu(t[None], w).sum()), in_dims=(None, 0))
    torch.testing.assert_close(per_sample(weight, x), theirs(weight, x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forward_mode_is_an_error():
    x = drawn(3, grad=False)
    with pytest.raises(NotImplementedError, match="forward mode"):
        torch.func.jvp(ft.silu, (x,), (x,))


# Errors.


def test_what_is_no_tensor_of_the_cpu():
    with pytest.raises(TypeError, match=r"silu: x is a ndarray; allowed is a torch\.Tensor"):
        ft.silu(np.ones(3))
    with pytest.raises(TypeError, match=r"silu: x is a tensor of dtype torch\.int64"):
        ft.silu(torch.ones(3, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"layout torch\.sparse_coo"):
        ft.silu(torch.ones(3).to_sparse())
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        elsewhere = torch.empty(3, device="cuda")
        with pytest.raises(TypeError, match=r"silu: x is a tensor on cuda:0; allowed are tensors on the CPU"):
            ft.silu(elsewhere)


def test_arguments_that_there_are_not():
    for call, words in (
        (lambda: ft.silu(torch.ones(2), 1, 2), "too many positional"),
        (
            lambda: ft.softmax(torch.ones(2), axis=0),
            r"softmax\(x, dim=-1.* unexpected keyword argument 'axis'",
        ),
        (lambda: ft.threshold(torch.ones(2)), "missing a required argument: 'threshold'"),
        (lambda: ft.elu(torch.ones(2), 1.0, alpha=2.0), "multiple values for argument 'alpha'"),
        (lambda: ft.Threshold(), "missing a required argument: 'threshold'"),
        (lambda: ft.rrelu(torch.ones(2), seed=0.5), "seed=0.5"),
    ):
        with pytest.raises(TypeError, match=words):
            call()
    with pytest.raises(ValueError, match="approximate='erf'; allowed is 'none' or 'tanh'"):
        ft.gelu(torch.ones(2), "erf")
    with pytest.raises(ValueError, match=r"seed=-1; allowed is 0 <= seed < 2\*\*64"):
        ft.rrelu(torch.ones(2), seed=-1)
    with pytest.raises(ValueError, match=r"beta has shape \(2,\); allowed is one number"):
        ft.swish(torch.ones(2), torch.ones(2))
    with pytest.raises(ValueError, match="beta=-1"):
        ft.Softplus(beta=-1)


# Random.


def test_seeds_are_those_of_arrays_or_of_torchs_generator():
    x = drawn(50, dtype=torch.float64, grad=False) - 3
    for seed in (7, 2**63 + 5, 2**64 - 1):
        assert torch.equal(ft.rrelu(x, seed=seed), fa.rrelu(x, seed=seed))
        assert torch.equal(ft.gumbel_softmax(x, seed=seed), fa.gumbel_softmax(x, seed=seed))
    assert torch.equal(ft.rrelu(x), fa.rrelu(x))
    for call in (lambda: ft.rrelu(x, training=True), lambda: ft.gumbel_softmax(x)):
        torch.manual_seed(0)
        first, second = call(), call()
        torch.manual_seed(0)
        assert torch.equal(call(), first)
        assert not torch.equal(first, second)


def test_hard_samples_have_the_gradient_of_soft_ones():
    x = drawn(6, 8)
    y, dx = gradients(lambda x: ft.gumbel_softmax(x, hard=True, seed=3), x, dy := drawn(6, 8, grad=False))
    soft, soft_dx = gradients(lambda x: ft.gumbel_softmax(x, seed=3), x, dy)
    assert torch.equal(dx, soft_dx)
    assert torch.equal(y, fa.gumbel_softmax(x.detach(), hard=True, seed=3))
    assert torch.equal(y.argmax(-1), soft.argmax(-1))


def test_a_mask_leaves_elements_out():
    x, where = drawn(4, 5), torch.tensor([True, False, True, True, False])
    y, dx = gradients(lambda x: ft.softmax(x, where=where)[:, :3].square(), x)
    theirs, their_dx = gradients(lambda x: x.masked_fill(~where, -torch.inf).softmax(-1)[:, :3].square(), x)
    torch.testing.assert_close(y, theirs)
    torch.testing.assert_close(dx, their_dx)


# Modules.


@EVERY
def test_a_module_holds_what_its_function_takes(row):
    kind = ft.modules[row.name]
    given = {n: v for n, v in {**row.needs, **row.required}.items() if n not in ("seed", "weight")}
    module = kind(**given)
    assert getattr(ft, kind.__name__) is kind
    x = drawn(3, 8, grad=False)
    if "seed" in {a.name for a in row.arguments}:
        module.eval()
    torch.manual_seed(0)
    y = module(x)
    torch.manual_seed(0)
    assert torch.equal(y, ft.functions[row.name](x, **{k: v for k, v in row.needs.items() if k != "seed"}))
    for same in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert type(same) is kind
        assert repr(same) == repr(module)
        torch.manual_seed(0)
        assert torch.equal(same(x), y)
    for name, value in given.items():
        assert f"{name}={value}" in repr(module)
    assert inspect.signature(kind).parameters.keys() >= given.keys()


@pytest.mark.parametrize(
    "name", [name for name in fa.catalog.spellings.spellings()["torch"] if hasattr(torch.nn, name)]
)
def test_modules_have_torchs_names_and_defaults(name):
    ours, theirs = (inspect.signature(getattr(place, name)).parameters for place in (ft, torch.nn))
    for parameter in theirs.values():
        if parameter.name in ("args", "kwargs", "min_value", "max_value"):
            continue
        assert parameter.name in ours
        # Rows have the last axis where torch guesses one; softplus is exact.
        if parameter.name not in ("dim", "threshold"):
            assert ours[parameter.name].default == parameter.default


def test_a_learnt_parameter_is_learnt():
    for module in (ft.PReLU(3), ft.Swish(beta_grad=True)):
        (parameter,) = module.parameters()
        rate = torch.optim.SGD(module.parameters(), 0.1)
        before = parameter.detach().clone()
        module(drawn(4, 3, dtype=torch.float32)).square().sum().backward()
        rate.step()
        assert not torch.equal(before, parameter)
        assert module.state_dict().keys() == {"weight" if isinstance(module, ft.PReLU) else "beta"}
    assert not list(ft.Swish(2.0).parameters())
    module = ft.PReLU(2, 0.5, dtype=torch.float64)
    with torch.no_grad():
        module.weight.zero_()
    module.reset_parameters()
    assert module.weight.tolist() == [0.5, 0.5]


def test_rrelu_draws_in_training_alone():
    x = drawn(100, grad=False)
    module = ft.RReLU()
    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), fa.rrelu(x))


# patch.

GIVEN = {
    "Threshold": {"threshold": 0.2, "value": 3.0},
    "Hardtanh": {"min_val": -0.5, "max_val": 2.0},
    "LeakyReLU": {"negative_slope": 0.3, "inplace": True},
    "RReLU": {"lower": 0.1, "upper": 0.2},
    "ELU": {"alpha": 0.7},
    "CELU": {"alpha": 0.7},
    "GLU": {"dim": 1},
    "GELU": {"approximate": "tanh"},
    "Hardshrink": {"lambd": 0.2},
    "Softshrink": {"lambd": 0.2},
    "Softplus": {"beta": 3.0, "threshold": 1.0},
    "PReLU": {"num_parameters": 4, "init": 0.1},
    "Softmax": {"dim": 1},
    "Softmin": {"dim": 0},
    "LogSoftmax": {"dim": -2},
    "ReLU": {"inplace": True},
    "SiLU": {"inplace": True},
}
"""What a module of torch is given that is not the default."""
KINDS = sorted(n for n in fa.catalog.spellings.spellings()["torch"] if hasattr(torch.nn, n))


@pytest.mark.parametrize("name", KINDS)
def test_an_exchanged_module_means_what_it_did(name):
    kind = getattr(torch.nn, name)
    for given in ([{}] if name not in ("Threshold", "Softmax", "Softmin", "LogSoftmax") else []) + [
        GIVEN.get(name, {})
    ]:
        module = kind(**given).double().eval()
        x = 12 * drawn(6, 4, 8, grad=False)
        expected = gradients(lambda x, m=module: m(x * 1), x)
        weights = dict(module.named_parameters())
        report = ft.patch(module)
        assert len(report.exchanged) == 1
        assert type(module) is getattr(ft, name)
        found = gradients(lambda x, m=module: m(x * 1), x)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, **OF_TORCH)
        for key, parameter in module.named_parameters():
            assert parameter is weights[key]
        report.undo()
        assert type(module) is kind
        assert vars(module).keys() == vars(kind(**given)).keys()


def model():
    nn = torch.nn
    shared = nn.ReLU()
    inner = nn.Sequential(nn.PReLU(8), shared, nn.Softplus())
    layers = [nn.Linear(8, 8), shared, inner, nn.Linear(8, 8), nn.RReLU(0.1, 0.2)]
    return nn.Sequential(*layers, nn.GELU(), nn.Softmax(dim=-1))


def test_a_model_is_exchanged_and_given_back():
    whole = model()
    before = copy.deepcopy(whole)
    state, objects = whole.state_dict(), dict(whole.named_modules())
    calls = []
    whole[1].register_forward_hook(lambda *_: calls.append("hook"))
    whole.eval()
    before.eval()
    report = ft.patch(whole)
    assert dict(whole.named_modules()) == objects
    assert list(whole.state_dict()) == list(state)
    assert all(whole.state_dict()[k].data_ptr() == v.data_ptr() for k, v in state.items())
    assert [e.place for e in report.exchanged] == ["1", "2.0", "2.2", "4", "5", "6"]
    assert report.left == []
    assert not whole[4].training
    x = drawn(5, 8, dtype=torch.float32)
    torch.testing.assert_close(whole(x), before(x))
    assert calls == ["hook", "hook"]
    whole.train()
    assert not torch.equal(whole(x), whole(x))
    for same in (copy.deepcopy(whole), pickle.loads(pickle.dumps(copy.deepcopy(before)))):
        same.load_state_dict(whole.state_dict())
    whole.eval()
    torch.testing.assert_close(copy.deepcopy(whole)(x), before(x))
    assert ft.patch(whole).exchanged == []
    text = str(report)
    assert text == repr(report)
    assert "6 exchanged, 0 left" in text
    assert "2.2: Softplus(beta=1.0, threshold=20.0) -> fastact.torch.Softplus(threshold=20.0)" in text
    report.undo()
    report.undo()
    assert repr(whole) == repr(before)
    assert [type(m) for m in whole.modules()] == [type(m) for m in before.modules()]
    assert [vars(m).keys() for m in whole.modules()] == [vars(m).keys() for m in before.modules()]


def test_a_patch_for_a_block():
    whole = model()
    with ft.patch(whole) as report:
        assert isinstance(whole[5], ft.GELU)
        assert len(report.exchanged) == 6
    assert isinstance(whole[5], torch.nn.GELU)


def test_a_patched_model_is_pickled():
    whole = model().eval()
    ft.patch(whole)
    x = drawn(2, 8, dtype=torch.float32)
    assert torch.equal(pickle.loads(pickle.dumps(whole))(x), whole(x))


def test_what_cannot_be_exchanged_is_said():
    class Own(torch.nn.ReLU):
        pass

    replaced = torch.nn.Tanh()
    replaced.forward = torch.tanh
    nn = torch.nn
    whole = nn.ModuleList([nn.Softmax(), nn.Softmax2d(), Own(), replaced, nn.Softplus(beta=-1.0)])
    whole.append(nn.MultiheadAttention(4, 2))
    whole.append(nn.ReLU())
    report = ft.patch(whole)
    assert [e.place for e in report.exchanged] == ["6"]
    assert {e.place: e.after.partition(";")[0] for e in report.left} == {
        "0": "dim is None, so the axis depends on the input",
        "1": "it is no activation that fastact has",
        "2": "it is of a class of its own",
        "3": "its forward was replaced",
        "4": "softplus: beta=-1.0",
        "5": "it is no activation that fastact has",
    }
    assert "2: Own() is left: it is of a class of its own" in str(report)
    with pytest.raises(TypeError, match=r"model is a function; allowed is a torch\.nn\.Module"):
        ft.patch(F.relu)


def test_functions_that_modules_hold():
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0, activation=F.gelu, batch_first=True)
    held = torch.nn.Module()
    held.act, held.soft, held.rows, held.no_hash = F.leaky_relu, F.softplus, F.softmax, [1]
    x = drawn(2, 3, 8, dtype=torch.float32)
    expected = gradients(layer, x)
    with ft.patch(layer) as report:
        assert layer.activation is ft.gelu
        for a, b in zip(gradients(layer, x), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert ("activation", "fastact.torch.gelu") in {(e.place, e.after) for e in report.exchanged}
    assert layer.activation is F.gelu
    report = ft.patch(held)
    x = 15 * x
    torch.testing.assert_close(held.act(x.clone(), 0.3, True), F.leaky_relu(x, 0.3))
    torch.testing.assert_close(held.soft(x), F.softplus(x))
    assert held.rows is F.softmax
    assert [e.place for e in report.left] == ["rows"]
    report.undo()
    assert held.soft is F.softplus


# Company.


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_patched_model_compiles_whole():
    whole = model().eval()
    x = drawn(4, 8, dtype=torch.float32)
    expected = whole(x)
    ft.patch(whole)
    torch.testing.assert_close(compiled(whole)(x), expected)


def test_checkpoints():
    from torch.utils.checkpoint import checkpoint

    function = torch.nn.Sequential(torch.nn.Linear(8, 8), ft.Mish(), ft.ReLU(inplace=True))
    x = drawn(4, 8, dtype=torch.float32)
    expected = gradients(function, x)
    for reentrant in (True, False):
        found = (
            gradients(lambda x, r=reentrant: checkpoint(function, x, use_reentrant=r) * 1, x)
            if not (reentrant)
            else _backward(lambda x: checkpoint(function, x, use_reentrant=True), x)
        )
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b)


def _backward(function, x):
    """As `gradients`, by backward(), which a reentrant checkpoint asks for."""
    x = x.detach().clone().requires_grad_()
    y = function(x)
    y.sum().backward()
    return y.detach(), x.grad


def test_several_threads_at_once():
    whole = torch.nn.Sequential(torch.nn.Linear(64, 64), ft.SiLU(), ft.PReLU(64), ft.Softmax())
    x = drawn(200, 64, dtype=torch.float32)
    expected = torch.autograd.grad(whole(x).square().sum(), x)[0]
    found = []

    def work():
        for _ in range(5):
            leaf = x.detach().clone().requires_grad_()
            found.append(torch.autograd.grad(whole(leaf).square().sum(), leaf)[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    for dx in found:
        torch.testing.assert_close(dx, expected)


def test_autocast():
    whole = torch.nn.Sequential(torch.nn.Linear(8, 8), ft.GELU(), torch.nn.Linear(8, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = whole(drawn(3, 8, dtype=torch.float32))
    assert y.dtype is torch.bfloat16
    y.float().sum().backward()
    assert all(p.grad is not None for p in whole.parameters())


def test_public_names_are_there_and_documented(row):
    assert {row.name, ft.modules[row.name].__name__} <= set(dir(ft))
    for thing in (ft.functions[row.name], ft.modules[row.name]):
        assert "Raises\n------" in thing.__doc__
    namespace: dict = {}
    example = ft.functions[row.name].__doc__.rpartition(">>> ")[0].partition("Examples")[2]
    for line in example.splitlines():
        if line.startswith(">>> "):
            exec(line[4:], namespace)
    assert namespace["x"].grad.shape == (4,)


@pytest.mark.parametrize("block", re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_examples_of_the_page_print_what_their_comments_say(block, capsys):
    exec(compile(block, "torch.md", "exec"), {})
    said = re.findall(r"print\(.*\)  # (.+)$", block, flags=re.MULTILINE)
    assert said
    assert capsys.readouterr().out.splitlines() == said


def test_the_page_counts_what_patch_leaves():
    """Every class of torch.nn's activations is exchanged, or named among the limits."""
    from torch.nn.modules import activation

    left = set(activation.__all__) - set(KINDS)
    assert left == {"MultiheadAttention", "Softmax2d"}
    assert all(f"nn.{name}`" in PAGE for name in left)


def test_fastact_alone_imports_no_torch(fresh_python):
    run = fresh_python("import fastact, sys; print('torch' in sys.modules, 'fastact.torch' in sys.modules)")
    assert run.stdout.split() == ["False", "False"], run.stderr


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = ft.nothing
