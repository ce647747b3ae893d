"""Levels v3 and v4 give the same bits; v1, which has no fused multiply-add, stays within the same bounds."""

from __future__ import annotations

import json

import pytest

import fastact as fa

DIGESTS = """if True:
    import hashlib, json
    import numpy as np
    from cases import ALONE, CASES, FLOATS
    import fastact as fa
    from fastact.measure.accuracy import samples

    def digest(*arrays):
        return hashlib.blake2b(b"".join(array.tobytes() for array in arrays)).hexdigest()

    assert fa.config()["level"] == "{level}"
    numbers = {{value for case in CASES for value in case.row.numbers.values()}}
    points = sorted(sign * value for value in numbers for sign in (-1, 1))
    digests = {{}}
    for dtype in FLOATS:
        # Numbers from every region, those around each activation's parameters among them.
        x = np.concatenate([samples.stratified(np.dtype(dtype), number, points=points) for number in (0, 1)])
        dy = samples.gradients(np.dtype(dtype), 1, x.size)
        for case in ALONE:
            saved = case.activation(x, **case.needs) if case.saved == "y" else x
            arrays = (dy, saved) if case.saved else (x,)
            digests[f"{{case}} {{dtype.__name__}}, every region"] = digest(case(*arrays))
        for case in CASES:
            for shape in ((3, 5, 7), (2, 64, 33), (37, 1013), (70_001, 4), (4, 70_001)):
                arrays = case.draw(shape, dtype)
                results = [case(*arrays)]
                if "weight" in case.row.needs and case.saved:
                    results.append(case.activation.backward(arrays[0], x=arrays[1], weight=0.25)[1])
                digests[f"{{case}} {{dtype.__name__}} {{shape}}"] = digest(*results)
    print(json.dumps(digests))"""

MEASURE = """if True:
    import json
    import fastact as fa
    from fastact.measure.accuracy import errors as accuracy

    assert fa.config()["level"] == "{level}"
    cases = accuracy.cases(list(fa.activations), list(accuracy.DTYPES))
    work = [batch for case in cases for batch in accuracy.batches(case, count=1)]
    found = [m for m in accuracy.measure(work) if not m.within]
    print(json.dumps([[m.activation, m.direction, m.dtype, m.error, m.unit, m.place] for m in found]))"""

FUSED = [level for level in fa.config()["levels"] if level in ("v3", "v4")]


def _output(fresh_python, code: str, level: str, threads: int = 1):
    run = fresh_python(code.format(level=level), FASTACT_CPU=level, FASTACT_NUM_THREADS=str(threads))
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.skipif(not FUSED, reason="this processor has neither level v3 nor v4")
def test_v3_and_v4_give_the_same_bits_in_every_process(fresh_python):
    """One thread at the lower level, two at the higher; where there is one level, at that."""
    lower, higher = (_output(fresh_python, DIGESTS, FUSED[i], threads) for i, threads in ((0, 1), (-1, 2)))
    assert lower.keys() == higher.keys()
    assert [case for case in lower if lower[case] != higher[case]] == []


@pytest.mark.skipif("v1" not in fa.config()["levels"], reason="this processor has no level v1")
@pytest.mark.skipif(fa.config()["level"] == "v1", reason="test_accuracy.py says it of the level that is used")
def test_v1_stays_within_the_bounds(fresh_python):
    assert _output(fresh_python, MEASURE, "v1") == []
