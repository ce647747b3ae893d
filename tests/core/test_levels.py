"""Levels v3 and v4 give the same bits; v1, which has no fused multiply-add, stays within the same bounds."""

from __future__ import annotations

import json

import pytest

import fastact as fa

DIGESTS = """if True:
    import hashlib, json
    import numpy as np
    from cases import CASES
    import fastact as fa
    from fastact.measure.accuracy import errors as accuracy

    assert fa.config()["level"] == "{level}"
    digests = {{}}
    for case in accuracy.cases(list(fa.activations), list(accuracy.DTYPES)):
        digest = hashlib.sha256()
        for batch in accuracy.batches(case, count=2):
            for inputs, _ in batch.inputs():
                digest.update(case.compute(inputs).tobytes())
        digests[str(case)] = digest.hexdigest()
    for case in CASES:
        for dtype in (np.float32, np.float64):
            digest = hashlib.sha256()
            for shape in ((3, 5, 7), (2, 64, 33), (70_001, 4), (4, 70_001)):
                arrays = case.draw(shape, dtype)
                digest.update(np.ascontiguousarray(case(*arrays)).tobytes())
                if "weight" in case.row.needs and case.saved:
                    gradient = case.activation.backward(arrays[0], x=arrays[1], weight=np.float64(0.25))[1]
                    digest.update(gradient.tobytes())
            digests[f"{{case}} {{dtype.__name__}}"] = digest.hexdigest()
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


def _needs(*levels: str) -> pytest.MarkDecorator:
    missing = [level for level in levels if level not in fa.config()["levels"]]
    return pytest.mark.skipif(bool(missing), reason=f"this processor has no level {' or '.join(missing)}")


def _output(fresh_python, code: str, level: str):
    run = fresh_python(code.format(level=level), FASTACT_CPU=level)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@_needs("v3", "v4")
def test_v3_and_v4_give_the_same_bits(fresh_python):
    v3, v4 = (_output(fresh_python, DIGESTS, level) for level in ("v3", "v4"))
    assert v3.keys() == v4.keys()
    assert [case for case in v3 if v3[case] != v4[case]] == []


@_needs("v3")
def test_every_process_gives_the_same_bits(fresh_python):
    """What compares the levels repeats itself: on one thread as on two."""
    one = fresh_python(DIGESTS.format(level="v3"), FASTACT_CPU="v3", FASTACT_NUM_THREADS="1")
    two = fresh_python(DIGESTS.format(level="v3"), FASTACT_CPU="v3", FASTACT_NUM_THREADS="2")
    assert one.stdout, one.stderr
    assert one.stdout == two.stdout


@_needs("v1")
def test_v1_stays_within_the_bounds(fresh_python):
    assert _output(fresh_python, MEASURE, "v1") == []
