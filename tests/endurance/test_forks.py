"""Each way to start a process, from each state of its parent, beside each other user of OpenMP.

tests/core/test_fork.py has the stories of which one or another hung.
"""

from __future__ import annotations

import importlib.util
import itertools
import os

import pytest

pytestmark = [pytest.mark.exhaustive, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")]

PRELUDE = """
import numpy as np
import fastact as fa
from fastact import _dispatch

_dispatch.judge_threads(False)
x = np.linspace(-5, 5, 300_000).astype(np.float32)
rows = x.reshape(300, 1000)


def results():
    return [fa.tanh(x), fa.softmax(rows), fa.layer_norm(rows)]


with fa.num_threads(1):
    expected = results()


def computes(threads=2):
    with fa.num_threads(threads):
        return all(np.array_equal(a, b) for _ in range(5) for a, b in zip(results(), expected))
"""
PROGRAM = """
import os, sys, threading
sys.path.insert(0, {folder!r})
{company}
from computing import computes
import fastact as fa

def started(way):
    if way == "os.fork":
        child = os.fork()
        if child == 0:
            os._exit(0 if computes() else 3)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    if way == "loky":
        from joblib import Parallel, delayed
        return all(Parallel(n_jobs=2, backend="loky")(delayed(computes)() for _ in range(4)))
    import multiprocessing
    with multiprocessing.get_context(way).Pool(2) as pool:
        return all(pool.map(computes, [1, 2, 3, 2]))

if __name__ == "__main__":
    fa.set_num_threads({threads})
    over, answers = threading.Event(), []
    def work():
        while not over.is_set():
            answers.append(computes({threads}))
    others = [threading.Thread(target=work) for _ in range(2 * ({state!r} == "computing"))]
    if {state!r} != "fresh":
        answers.append(computes({threads}))
    for other in others:
        other.start()
    answers.append(started({way!r}))
    over.set()
    for other in others:
        other.join()
    answers.append(computes({threads}))
    print(all(answers), fa.get_num_threads())
"""
WAYS = ("os.fork", "fork", "forkserver", "spawn", "loky")
STATES = ("fresh", "used", "computing")
THREADS = (1, 2, 16)
COMPANY = {
    "alone": "",
    "sklearn": "from sklearn.cluster import KMeans; KMeans(2, n_init=1).fit([[0.0], [1.0], [2.0]])",
    "torch": "import torch; torch.ones(1_000_000).tanh()",
}
CELLS = [
    cell
    for cell in itertools.product(WAYS, STATES, THREADS, COMPANY)
    if cell[3] == "alone" or cell[1:3] == ("used", 2)
]


@pytest.mark.parametrize(("way", "state", "threads", "company"), CELLS)
def test_children_compute_and_end_and_so_does_the_parent(
    fresh_python, tmp_path, way, state, threads, company
):
    for module in ("joblib",) * (way == "loky") + (company,) * (company != "alone"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs {module}")
    (tmp_path / "computing.py").write_text(PRELUDE)
    text = {"folder": str(tmp_path), "company": COMPANY[company]}
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(**text, threads=threads, state=state, way=way))
    code = f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')"
    run = fresh_python(code, PYTHONWARNINGS="ignore")
    assert run.stdout.split() == ["True", str(threads)], run.stderr
