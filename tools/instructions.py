"""Instructions per element of every kernel, counted in the built modules: no busy machine disturbs them.

The hot loops are found in objdump's disassembly: the innermost loops of a kernel whose addresses advance by
more than one element per turn (what else loops are remainders of a few elements, and prefetches). A kernel of
several passes has several of them. tools/instructions.txt is the record that
tests/measure/test_instructions.py compares with. Run as a script, for the modules of the fastact that is
imported:

    python tools/instructions.py            compares all levels with the record
    python tools/instructions.py --write    writes the record
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import assembly
from assembly import HERE, Assembly, Sums

import fastact

RECORD = Path(__file__).with_name(HERE.record if HERE else assembly.X86.record)
MARGIN = 0.10

WIDTHS = HERE.widths if HERE else {}
"""Bytes in a vector register of each level."""
SIZES = {"float": 4, "double": 8}


@dataclass(frozen=True)
class Loop:
    """One innermost loop: its instructions, the elements of a turn, and the bytes of its widest moves."""

    body: tuple[str, ...]
    elements: float
    width: int

    @property
    def per_element(self) -> float:
        return len(self.body) / self.elements


@dataclass(frozen=True)
class Count:
    """What the record says of a loop: instructions per element, and whether it is as wide as the level."""

    per_element: float
    full_width: bool

    def __str__(self) -> str:
        return f"{self.per_element:.2f}" + ("" if self.full_width else "!")

    @classmethod
    def read(cls, text: str) -> Count:
        return cls(float(text.rstrip("!")), not text.endswith("!"))

    def near(self, recorded: Count) -> bool:
        """Within the margin of the record, which has two decimals."""
        return (
            self.full_width == recorded.full_width
            and abs(self.per_element - recorded.per_element) <= MARGIN * recorded.per_element + 0.01
        )


Counts = tuple[Count, ...]
Table = dict[str, dict[str, Counts]]
"""Kernel, then level."""


def show(counts: Counts) -> str:
    return "+".join(map(str, counts)) or "-"


def near(found: Counts, recorded: Counts) -> bool:
    return len(found) == len(recorded) and all(a.near(b) for a, b in zip(found, recorded, strict=True))


def compiler() -> str:
    """Name and major version; another one makes other loops, which the record says nothing about."""
    return f"gcc {fastact.config()['compiler'].split('.')[0]}"


def modules() -> dict[str, Path]:
    """The built kernels of every level that this tool knows."""
    folder, suffix = Path(fastact.__file__).parent, sysconfig.get_config_var("EXT_SUFFIX")
    paths = {level: folder / f"_kernels_{level}{suffix}" for level in WIDTHS}
    return {level: path for level, path in paths.items() if path.exists()}


def readable() -> bool:
    """Whether there is what is to be counted, and what takes it apart."""
    return HERE is not None and bool(modules()) and HERE.objdump() is not None


def functions(module: Path) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Every function of fastact in a module, with its instructions and their addresses."""
    command = [HERE.objdump(), "-d", "--no-show-raw-insn", "-C", str(module)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = re.compile(rf"^ *([0-9a-f]+):\t(.*?)\s*(?:(?:{HERE.comment}).*)?$", re.MULTILINE)
    for head, body in re.findall(r"^[0-9a-f]+ <(.*)>:\n((?:.+\n)*)", text, re.MULTILINE):
        name = re.match(r"(?:void )?fastact::(\w+<[^(]*>)", head)
        if name and ".cold" not in head:
            lines = [(int(at, 16), text.replace("\t", " ")) for at, text in line.findall(body)]
            yield name.group(1).replace("fastact::", ""), lines


def innermost(instructions: list[tuple[int, str]], language: Assembly) -> Iterator[list[str]]:
    """The loops without a branch or another loop inside: from a jump's target back to the jump."""
    where = {address: i for i, (address, _) in enumerate(instructions)}
    jumps = [i for i, (_, line) in enumerate(instructions) if language.jump.match(line)]
    for before, last in zip([-1, *jumps], jumps, strict=False):
        target = language.target.match(instructions[last][1])
        first = where.get(int(target.group(1), 16), len(instructions)) if target else len(instructions)
        body = [line for _, line in instructions[first : last + 1]] if before < first else []
        # What returns on its way back is the end of the function, before what comes of a branch.
        if body and not any(line.startswith("ret") for line in body):
            yield body


def advance(body: list[str], language: Assembly) -> int:
    """Bytes by which the fastest address of a loop moves in one turn; 0 where nothing is loaded or stored."""
    sums: Sums = {}
    addresses = set()
    for line in body:
        for parts in language.addresses(line):
            addresses.add(tuple((sums.get(name, (name, 0))[0], factor) for name, factor in parts))
        language.step(line, sums)
    moves = {origin: offset for register, (origin, offset) in sums.items() if origin == register}
    advances = [sum(factor * moves.get(name, 0) for name, factor in parts) for parts in addresses]
    return max(map(abs, advances), default=0)


def hot_loops(name: str, instructions: list[tuple[int, str]], language: Assembly) -> list[Loop]:
    """The loops that take more than one element a turn; where there is none, those that take one."""
    size = next((size for dtype, size in SIZES.items() if re.search(rf"\b{dtype}\b", name)), 2)
    loops = []
    for body in innermost(instructions, language):
        elements = advance(body, language) / size
        if elements:
            loops.append(Loop(tuple(body), elements, max(map(language.moved, body))))
    return [loop for loop in loops if loop.elements > 1] or loops


def arithmetic_width(instructions: list[tuple[int, str]], language: Assembly) -> int:
    """Bytes of the widest registers whose floats are added, multiplied or compared; 0 where one by one."""
    return max((language.computed(line) for _, line in instructions), default=0)


def kernels(module: Path) -> dict[str, list[Loop]]:
    """The hot loops of every kernel in a module, in the order in which they stand there."""
    found: dict[str, list[Loop]] = {}
    for name, instructions in functions(module):
        if loops := hot_loops(name, instructions, HERE):
            found.setdefault(name, []).extend(loops)
    return dict(sorted(found.items()))


def count(levels: dict[str, Path]) -> Table:
    table: Table = {}
    for level, module in levels.items():
        for name, loops in kernels(module).items():
            counts = tuple(Count(round(loop.per_element, 2), loop.width == WIDTHS[level]) for loop in loops)
            table.setdefault(name, {})[level] = counts
    return table


def read_record() -> tuple[str, Table]:
    """The compiler that the record is about, and the record."""
    lines = [line for line in RECORD.read_text().splitlines() if not line.startswith("#")]
    levels = lines[1].split()[1:]
    rows = [re.split(r" {2,}", line) for line in lines[2:]]
    table = {
        name: {
            level: tuple(map(Count.read, text.split("+")))
            for level, text in zip(levels, texts, strict=True)
            if text != "-"
        }
        for name, *texts in rows
    }
    return lines[0], table


def render(table: Table) -> str:
    levels = list(WIDTHS)
    rows = [["kernel", *levels]]
    rows += [[name, *(show(table[name].get(level, ())) for level in levels)] for name in sorted(table)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    about = (
        "# Instructions per element of the hot loops, one number for each loop of a kernel; ! marks one\n"
        "# that is narrower than the level's registers. Written by: python tools/instructions.py --write"
    )
    return "\n".join([about, compiler(), *lines, ""])


def differences(found: Table, record: Table, levels: list[str]) -> list[str]:
    """Every kernel and level where the two are not alike, as a line of text."""
    lines = []
    for name in sorted({*found, *record}):
        for level in levels:
            now, before = (table.get(name, {}).get(level, ()) for table in (found, record))
            if not near(now, before):
                lines.append(f"{name} at {level}: {show(now)}, recorded {show(before)}")
    return lines


def main() -> int:
    found = count(modules())
    if "--write" in sys.argv[1:]:
        RECORD.write_text(render(found))
        return 0
    made_by, record = read_record()
    if made_by != compiler():
        print(f"the record is about {made_by}, the modules were built by {compiler()}: not compared")
        return 0
    lines = differences(found, record, list(modules()))
    print("\n".join(lines) or f"{len(found)} kernels have the recorded instructions per element")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
