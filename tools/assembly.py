"""How objdump writes the instructions of a processor: what jumps, what goes to memory, how wide it is.

A class for each architecture. Tools that count read functions and loops through it, and know no mnemonic.
"""

from __future__ import annotations

import platform
import re
import shutil
from typing import ClassVar

Sums = dict[str, tuple[str, int]]
"""General registers, each as the sum of what one of them held when the turn began and of a constant."""
Address = tuple[tuple[str, int], ...]
"""Registers, and what each is multiplied with; the constant is left out."""


def moved_by(sums: Sums, target: str, source: str, amount: int) -> None:
    origin, offset = sums.get(source, (source, 0))
    sums[target] = origin, offset + amount


class X86:
    """x86-64, as objdump writes it by default (AT&T)."""

    record = "instructions.txt"
    widths: ClassVar = {"v1": 16, "v3": 32, "v4": 64}  # bytes in a vector register of each level
    comment = "[<#]"
    jump = re.compile(r"j")
    target = re.compile(r"j\w+ +([0-9a-f]+)$")

    registers: ClassVar = {"x": 16, "y": 32, "z": 64}
    # A whole register loaded from an array or stored to one, converted on the way or not.
    move = re.compile(r"(?:v?mov(?:[au]p[sd]|dq[au]\w*)|vcvtph2ps|vcvtps2ph) .*\(%(?!rsp)")
    # On all elements of a register.
    arithmetic = re.compile(r"v?(?:add|sub|mul|max|cmp\w*|fn?m(?:add|sub)\d+)p[sd] ")

    def objdump(self) -> str | None:
        return shutil.which("objdump")

    def moved(self, line: str) -> int:
        """Bytes of the widest register that an instruction loads or stores whole; 0 where there is none."""
        return self._widest(line) if self.move.match(line) else 0

    def computed(self, line: str) -> int:
        """Bytes of the widest register whose floats it computes all at once."""
        return self._widest(line) if self.arithmetic.match(line) else 0

    def _widest(self, line: str) -> int:
        return max((self.registers[kind] for kind in re.findall("%([xyz])mm", line)), default=0)

    def addresses(self, line: str) -> list[Address]:
        """What it loads from or stores to."""
        if line.startswith(("prefetch", "lea", "nop")):
            return []
        found = re.findall(r"\((?:%(r\w+))?(?:,%(r\w+),(\d))?\)", line)
        return [((base, 1), *([(index, int(scale))] if index else [])) for base, index, scale in found]

    def step(self, line: str, sums: Sums) -> None:
        """Follow what it does to general registers."""
        if found := re.match(r"(add|sub)q? +\$(-?0x[0-9a-f]+),%(r\w+)$", line):
            operation, amount, target = found.groups()
            moved_by(sums, target, target, self._signed(amount) * (1 if operation == "add" else -1))
        elif found := re.match(r"lea +(-?0x[0-9a-f]+)?\(%(r\w+)\),%(r\w+)$|mov +()%(r\w+),%(r\w+)$", line):
            amount, source, target = (found.group(i) or found.group(i + 3) for i in (1, 2, 3))
            moved_by(sums, target, source, self._signed(amount or "0x0"))
        elif not line.startswith(("cmp", "test", "push")) and (found := re.search(r",%(r\w+)$", line)):
            sums[found.group(1)] = "", 0

    @staticmethod
    def _signed(text: str) -> int:
        value = int(text, 16)
        return value - 2**64 if value >= 2**63 else value


class AArch64:
    """64-bit Arm, whose vectors are NEON's."""

    record = "instructions_aarch64.txt"
    widths: ClassVar = {"base": 16}
    comment = "<|//"
    jump = re.compile(r"(?:b|b\.\w+|cbn?z|tbn?z|br) ")
    target = re.compile(r"(?:b|b\.\w+|cbn?z \w+,|tbn?z \w+, #\w+,) ([0-9a-f]+)$")

    whole = r"v\d+\.(?:16b|8h|4s|2d)"
    # Half a register is a whole one of wider numbers; the conversion stands beside the load or the store.
    move = re.compile(
        rf"(?:ldu?r|stu?r|ldp|stp) q\d.*\[x|(?:ld|st)[1-4] {{{whole}.*\[x"
        r"|(?:fcvtl|uxtl) v\d+\.(?:4s|2d), |(?:fcvtn|xtn) v\d+\.(?:4h|2s), "
    )
    arithmetic = re.compile(rf"f(?:add|sub|mul|max\w*|min\w*|cm\w\w|ml[as]) {whole}")

    def objdump(self) -> str | None:
        return shutil.which("aarch64-linux-gnu-objdump") or shutil.which("objdump")

    def moved(self, line: str) -> int:
        return 16 if self.move.match(line) else 0

    def computed(self, line: str) -> int:
        return 16 if self.arithmetic.match(line) else 0

    def addresses(self, line: str) -> list[Address]:
        found = re.search(
            r"\[(x\d+|sp)(?:, [xw](\d+)(?:, (?:lsl|[su]xt[wx])(?: #(\d+))?)?)?(?:, #-?\w+)?\]", line
        )
        if not found or line.startswith("prfm"):
            return []
        base, index, shift = found.groups()
        return [((base, 1), *([(f"x{index}", 1 << int(shift or 0))] if index else []))]

    def step(self, line: str, sums: Sums) -> None:
        if found := re.match(r"(add|sub)s? (x\d+), (x\d+), #(0x[0-9a-f]+)$", line):
            operation, target, source, amount = found.groups()
            moved_by(sums, target, source, int(amount, 16) * (1 if operation == "add" else -1))
        elif found := re.match(r"mov (x\d+), (x\d+)$", line):
            moved_by(sums, *found.groups(), 0)
        elif not self.jump.match(line) and not line.startswith(("st", "cmp", "cmn", "ccm", "tst", "prfm")):
            written = re.match(r"\w+ (?:[xw](\d+)(?:, [xw](\d+)(?=, \[))?)?", line + " ")
            sums.update({f"x{number}": ("", 0) for number in written.groups() if number} if written else {})
        # The address moves before its use or after it.
        if found := re.search(r"\[(x\d+)(?:, #(-?\d+)\]!|\], #(-?\d+)$)", line):
            moved_by(sums, found.group(1), found.group(1), int(found.group(2) or found.group(3)))


Assembly = X86 | AArch64
HERE: Assembly | None = {"x86_64": X86(), "aarch64": AArch64()}.get(platform.machine())
"""That of this machine; None where no tool knows it."""
