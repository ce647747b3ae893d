"""The kernels cost as many instructions as recorded, in loops as wide as the registers of their CPU level.

Every level that was built is looked at, whether this processor runs it or not.
"""

from __future__ import annotations

import re

import assembly
import bounds
import instructions as tool
import pytest

from fastact import catalog

PASSES = re.compile(
    r"(find_largest|draw|project|choose|add_(terms|exponentials|shares|gradients)"
    r"|write_(results|gradients|differences|norm\w+)|NormSums|NormGradient|SquareSums|sum_(columns|run)"
    r"|channels|each_channel_element|cells|biased_forward"
    r"|added_(gated_)?(forward|backward)|gated_gradients)<"
)
"""What goes over the elements of rows. Many of their loops are unrolled and gone, or tails of sums."""

NO_MASKS = (
    r"(choose<double|write_(gradients|results)<ScaledLog\w+<double>|(hide|shift|bias)_columns<double>"
    r"|copy_padded<double|gated_\w+<Gelu, double>).* at v1"
)

NO_PRODUCTS = (
    r"(residual_)?dropout<.* at (v1|base)"
    r"|((biased_)?forward|draw|find_largest)<(Gumbel|RRelu).* at base"
)

ONE_BY_ONE = r"sum_columns<double, ScaledDistances<double> > at base"
"""What gcc 12 does not vectorise for NEON."""

NARROW = {
    PASSES.pattern: "tails of sums and trees",
    r"elements_(forward|backward|biased)<": "a formula is made of its parameters, and handed on",
    r"(normalize|differentiate|(rows|share)_(forward|backward)|each_lines)<": "what is done once for a row",
    r"((each|share)_seen_row|each_visible_row|SeenTiles|masked_forward|share_(losses|seen_gradient)|logsumexp(_backward)?"
    r"|normalize_draw(n|ing)|LanesOfRows|Peaks|norm_rows|norm_gradient_rows_at_once|each_range|Moments)<": (
        "what is done once for a row"
    ),
    r"(ChannelSums|each_channel_range)<": "what is done once for a channel",
    r"(with_known_length|to_columns|to_rows)<": "copies of short rows, one after another",
    r"parameter_gradient<": "what is left of a stretch is summed one by one",
    r"(forward<Gelu|backward<FromInput, Silu), (float|B?Float16)> at v[34]": (
        "loops of pieces have a branch to what is beyond"
    ),
    r"(Sums<double, \d+l, true, 128l, false, true>::Sums<find_threshold|staged_projection)<": (
        "doubles of a row's last floats"
    ),
    NO_MASKS: "gcc makes no masks of 64 bits without 64-bit comparisons",
    NO_PRODUCTS: "64-bit products, of which SSE2 and NEON have none",
}
"""Kernels whose loops are not all of full width, and why; every other one is a finding."""


pytestmark = pytest.mark.skipif(
    not tool.readable(), reason="needs objdump and kernels for a processor that it is read for"
)


@pytest.fixture(scope="module")
def found():
    table = tool.count(tool.modules())
    if not table:
        pytest.skip("the modules were stripped of their symbols")
    return table


@pytest.fixture(scope="module")
def record():
    made_by, table = tool.read_record()
    if made_by != tool.compiler():
        pytest.skip(f"the record is about {made_by}, this build was made by {tool.compiler()}")
    return table


@pytest.mark.parametrize("level", tool.modules())
def test_no_kernel_costs_more_or_less_than_recorded(found, record, level):
    """A kernel that the record does not know is no failure: a new activation needs no line in it."""
    known = {name: levels for name, levels in found.items() if name in record}
    differences = tool.differences(known, record, [level])
    assert not differences, "better or meant? python tools/instructions.py --write\n" + "\n".join(differences)


def test_every_kernel_of_the_record_is_still_there(found, record):
    assert not set(record) - set(found), "renamed or removed? python tools/instructions.py --write"


@pytest.mark.parametrize("level", tool.modules())
def test_every_hot_loop_is_as_wide_as_the_registers(found, level):
    narrow = {
        f"{name} at {level}: {tool.show(levels.get(level, ()))}"
        for name, levels in found.items()
        if not levels.get(level) or not all(count.full_width for count in levels[level])
    }
    assert not {text for text in narrow if not any(re.match(known, text) for known in NARROW)}


@pytest.mark.parametrize(("level", "module"), tool.modules().items())
def test_every_pass_over_rows_computes_in_whole_registers(level, module):
    passes = {
        f"{name} at {level}": tool.arithmetic_width(lines, assembly.HERE)
        for name, lines in tool.functions(module)
        if PASSES.match(name)
    }
    assert len(passes) > 100
    narrow = {name for name, width in passes.items() if width < tool.WIDTHS[level]}
    known = f"{NO_MASKS}|{NO_PRODUCTS}|{ONE_BY_ONE}"
    assert not {name for name in narrow if not re.match(known, name)}


def test_loops_are_found_and_measured_in_a_disassembly():
    load, store = "vmovups (%rsi,%rax,1),%ymm4", "vmovups %ymm0,(%rdi,%rax,1)"
    body = [load, "vmaxps %ymm1,%ymm4,%ymm0", store, "add $0x20,%rax", "cmp %r9,%rax", "jne 8"]
    head = [(0, "test %r8,%r8"), (4, "jle 40")]
    tail = [(32, "movss (%rsi,%rdx,4),%xmm0"), (36, "add $0x1,%rdx"), (38, "jne 20"), (40, "ret")]
    instructions = head + [(8 + i, line) for i, line in enumerate(body)] + tail
    (loop,) = tool.hot_loops("forward<Relu, float>", instructions, assembly.X86())
    assert (loop.elements, loop.width, loop.per_element) == (8, 32, 6 / 8)


def test_loops_of_neon_are_found_and_measured():
    loads = ["ldr q1, [x7, x3]", "add x5, x3, #0x10", "str q1, [x4], #16", "ldr q2, [x7, x5]"]
    body = [*loads, "fmla v2.4s, v1.4s, v1.4s", "add x3, x5, #0x10", "stp q1, q2, [x4], #16", "b.ne 8"]
    head = [(0, "cmp x2, #0x0"), (4, "b.le 60")]
    tail = [(40, "ldr s0, [x7, x3, lsl #2]"), (44, "add x3, x3, #0x1"), (48, "tbnz w2, #0, 28"), (60, "ret")]
    instructions = head + [(8 + 4 * i, line) for i, line in enumerate(body)] + tail
    neon = assembly.AArch64()
    (loop,) = tool.hot_loops("forward<Relu, float>", instructions, neon)
    assert (loop.elements, loop.width, loop.per_element) == (8, 16, 8 / 8)
    assert tool.arithmetic_width(instructions, neon) == 16
    assert tool.arithmetic_width(tail, neon) == 0


def test_arithmetic_one_by_one_has_no_width():
    one, all_at_once = "vaddss (%rsi),%xmm1,%xmm0", "vmulps %ymm1,%ymm2,%ymm0"
    assert tool.arithmetic_width([(0, one), (4, "vmovups (%rdi),%ymm0")], assembly.X86()) == 0
    assert tool.arithmetic_width([(0, one), (4, all_at_once)], assembly.X86()) == 32


def test_the_margin_is_a_tenth_either_way():
    recorded = tool.Count.read("5.00")
    assert tool.Count.read("5.45").near(recorded)
    assert tool.Count.read("4.55").near(recorded)
    assert not tool.Count.read("5.55").near(recorded)
    assert not tool.Count.read("4.45").near(recorded)
    assert not tool.Count.read("5.00!").near(recorded)


def test_bounds_are_of_every_activation_that_goes_by_elements():
    elementwise = {row.name for row in catalog.rows if row.kind in ("elementwise", "random")}
    assert {name for name, _, _ in bounds.rows()} == elementwise


def test_every_elementwise_kernel_can_be_set_beside_its_bound(found):
    for name, direction, kernel in bounds.rows():
        if kernel in found:
            bounds.kernel_call(name, direction, bounds.SHORT)()
