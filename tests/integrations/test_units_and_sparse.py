"""Quantities, sparse arrays, polars, and types that fastact knows nothing of."""

from __future__ import annotations

import numpy as np
import pytest
from cases import same_bits

import fastact as fa


class TestPint:
    """A dimensionless quantity passes, others are pint's own error, and a gradient has the unit of dy."""

    @pytest.fixture
    def unit(self):
        return pytest.importorskip("pint").UnitRegistry()

    def test_dimensionless_passes_and_is_converted(self, unit):
        x = np.array([-100.0, 50.0])
        for call in (fa.silu, fa.softmax, lambda x: fa.elu(x, 0.5)):
            result = call(unit.Quantity(x, "percent"))
            assert result.dimensionless
            np.testing.assert_allclose(result.magnitude, call(x / 100), rtol=1e-14)

    def test_others_are_its_error_and_write_nothing(self, unit):
        pint = pytest.importorskip("pint")
        length, out = unit.Quantity(np.ones(2), "m"), np.zeros(2)
        for call in (fa.silu, fa.softmax):
            with pytest.raises(pint.DimensionalityError):
                call(length, out=out)
            with pytest.raises(pint.DimensionalityError):
                call(np.ones(2), out=length)
        assert not out.any()
        assert length.magnitude.tolist() == [1, 1]

    def test_a_gradient_has_the_unit_of_dy(self, unit):
        dy, x = unit.Quantity(np.ones(2), "J"), unit.Quantity(np.array([1.0, -1.0]), "")
        assert fa.silu.backward(dy, x=x).units == unit.joule
        assert fa.softmax.backward(dy, y=fa.softmax(x)).units == unit.joule
        assert fa.silu.backward(dy, x=np.ones(2)).units == unit.joule
        assert fa.silu.backward(np.ones(2), x=x).dimensionless


class TestAstropy:
    """The same of astropy's."""

    @pytest.fixture
    def units(self):
        return pytest.importorskip("astropy.units")

    def test_dimensionless_passes_and_is_converted(self, units):
        x = np.array([-100.0, 50.0])
        for call in (fa.silu, fa.softmax):
            result = call(x * units.percent)
            assert result.unit == units.dimensionless_unscaled
            np.testing.assert_allclose(result.value, call(x / 100), rtol=1e-14)

    def test_others_are_its_error_and_write_nothing(self, units):
        length, out = np.ones(2) * units.m, np.zeros(2)
        for call in (fa.silu, fa.softmax):
            with pytest.raises(units.UnitsError):
                call(length, out=out)
            with pytest.raises(units.UnitsError):
                call(np.ones(2), out=length)
        assert not out.any()
        assert length.value.tolist() == [1, 1]

    def test_a_gradient_has_the_unit_of_dy(self, units):
        dy, x = np.ones(2) * units.J, np.array([1.0, -1.0]) * units.one
        assert fa.silu.backward(dy, x=x).unit == units.J
        assert fa.silu.backward(np.ones(2), x=x).unit == units.one


AT_ZERO = [row for row in fa.activations.values() if row.row.kind == "elementwise" and not row.row.required]


@pytest.mark.parametrize("activation", AT_ZERO, ids=lambda a: a.name)
def test_a_sparse_array_stays_sparse_where_nought_stays_nought(activation):
    sparse = pytest.importorskip("sparse")
    x = sparse.random((6, 5), density=0.3, random_state=1)
    if activation(0.0) == 0:
        result = activation(x)
        assert isinstance(result, sparse.COO)
        assert same_bits(result.todense(), activation(x.todense()))
    else:
        with pytest.raises(TypeError, match=r"is not sparse; x.todense\(\)"):
            activation(x)
    if "x" in activation.saves:
        dy = sparse.random((6, 5), density=0.4, random_state=2)
        assert np.array_equal(
            activation.backward(dy, x=x).todense(), activation.backward(dy.todense(), x=x.todense())
        )


@pytest.mark.parametrize("activation", AT_ZERO, ids=lambda a: a.name)
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"])
def test_scipys_too_in_the_format_that_they_have(activation, form):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    x = scipy_sparse.random_array((6, 8), density=0.3, format=form, rng=1)
    if activation(0.0) == 0:
        result = activation(x)
        assert result.format == form
        assert type(result) is type(x)
        assert np.array_equal(result.toarray(), activation(x.toarray()))
    else:
        with pytest.raises(TypeError, match=r"is not sparse; x.toarray\(\)"):
            activation(x)
    if "x" in activation.saves:
        dy = scipy_sparse.random_array((6, 8), density=0.4, format=form, rng=2)
        result = activation.backward(dy, x=x)
        assert result.format == form
        assert np.array_equal(result.toarray(), activation.backward(dy.toarray(), x=x.toarray()))


def test_a_place_that_is_stored_twice_is_one_number():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    twice = scipy_sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 2))
    assert fa.silu(twice).toarray()[0, 1] == fa.silu(3.0)
    assert fa.silu.backward(twice, x=twice).toarray()[0, 1] == fa.silu.backward(3.0, x=3.0)


def test_what_is_not_sparse_afterwards_is_refused():
    scipy_sparse, sparse = pytest.importorskip("scipy.sparse"), pytest.importorskip("sparse")
    for x in (scipy_sparse.eye_array(3, format="csr"), sparse.COO(np.eye(3))):
        for call in (
            fa.softmax,
            fa.glu,
            lambda x: fa.prelu(x, 0.1),
            lambda x: fa.silu.backward(np.ones((3, 3)), x=x),
        ):
            with pytest.raises(TypeError, match="sparse"):
                call(x)


class TestPolars:
    """A Series keeps its name and its nulls, which take no part in a row."""

    @pytest.fixture
    def pl(self):
        return pytest.importorskip("polars")

    def test_name_nulls_and_dtype_stay(self, pl):
        for dtype, result_dtype in [
            (pl.Float32, pl.Float32),
            (pl.Float64, pl.Float64),
            (pl.Int16, pl.Float64),
        ]:
            series = pl.Series("s", [1, None, -2], dtype=dtype)
            for result in (fa.silu(series), fa.softmax(series), fa.silu.backward(series, x=series)):
                assert result.name == "s"
                assert result.dtype == result_dtype
                assert result.is_null().to_list() == [False, True, False]
            assert fa.softmax(series).sum() == pytest.approx(1, rel=1e-6)

    def test_what_null_hides_is_not_computed(self, pl):
        """polars would compute on what lies under a null, and a row would take it in."""
        series = pl.Series([1.0, None, 2.0])
        assert fa.softmax(series).drop_nulls().to_list() == fa.softmax(np.array([1.0, 2.0])).tolist()

    def test_frames_and_what_is_no_number_are_refused(self, pl):
        for wrong in (
            pl.DataFrame({"a": [1.0]}),
            pl.LazyFrame({"a": [1.0]}),
            pl.Series(["a"]),
            pl.Series([[1.0]]),
        ):
            with pytest.raises(TypeError, match=r"polars|supported"):
                fa.silu(wrong)


class Labelled:
    """What has an array and labels, and speaks no protocol of NumPy's but one of tables."""

    def __array__(self, dtype=None, copy=None):
        return np.ones(2)

    def __arrow_c_stream__(self, requested_schema=None):
        raise NotImplementedError


class Refusing:
    """What wants to be no part of NumPy's calls."""

    __array_ufunc__ = None


class Recording:
    """What takes calls of ufuncs."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return ufunc.__name__, ufunc.nin, ufunc.nout, method, len(inputs), kwargs


class Declining:
    """What takes none."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return NotImplemented


def test_the_protocol_of_ufuncs_decides_for_what_is_unknown():
    assert fa.silu(Recording()) == ("silu", 1, 1, "__call__", 1, {})
    assert fa.elu.backward(np.ones(2), x=Recording(), alpha=0.5) == ("elu.backward", 2, 1, "__call__", 2, {})
    with pytest.raises(TypeError, match="knows what to do"):
        fa.silu(Declining())
    assert fa.silu.backward(Declining(), x=Recording())[0] == "silu.backward"


@pytest.mark.parametrize("unknown", [Labelled(), Refusing()], ids=lambda u: type(u).__name__)
@pytest.mark.parametrize(
    "call",
    [fa.silu, fa.softmax, lambda x: fa.silu.backward(np.ones(2), x=x)],
    ids=["silu", "softmax", "backward"],
)
def test_a_type_error_is_better_than_a_silent_ndarray(unknown, call):
    with pytest.raises(TypeError, match="would lose what it holds"):
        call(unknown)


def test_an_axis_is_not_guessed_for_what_is_unknown():
    with pytest.raises(TypeError, match=r"softmax does not take a .*Recording"):
        fa.softmax(Recording())


class WithMeta(np.ndarray):
    """A subclass that takes something along."""

    def __array_finalize__(self, other):
        self.meta = getattr(other, "meta", None)


def test_a_subclass_takes_along_what_it_does():
    x = np.arange(6.0).reshape(2, 3).view(WithMeta)
    x.meta = "m"
    for call in (fa.silu, fa.softmax, lambda x: fa.silu.backward(x, x=x), lambda x: fa.prelu(x, 0.1)):
        result = call(x)
        assert type(result) is WithMeta
        assert result.meta == np.exp(x).meta
    assert type(fa.silu(x, out=x)) is WithMeta


def test_a_memory_map_is_computed_in_its_file(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(4,))
    mapped[:] = [-1, 0, 1, 2]
    assert fa.relu(mapped, out=mapped) is mapped
    mapped.flush()
    assert np.fromfile(tmp_path / "x", np.float32).tolist() == [0, 0, 1, 2]
    assert type(fa.relu(mapped)) is type(np.exp(mapped))
