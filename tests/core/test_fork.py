"""Forked children compute on one thread and end; the parent goes on with its threads."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

FORK = """if True:
    import os, sys
    import numpy as np
    import fastact as fa
    fa.set_num_threads(2)
    x = np.linspace(-5, 5, 2_000_000).astype(np.float32)
    rows = x.reshape(1000, 2000)
    w = np.linspace(0, 1, 2000).astype(np.float32)
    def compute():
        y = fa.softmax(rows)
        return [fa.tanh(x), y, fa.softmax.backward(rows, y=y), *fa.prelu.backward(rows, x=rows, weight=w)]
    expected = compute()
    child = os.fork()
    if child == 0:
        same = all(np.array_equal(a, b) for a, b in zip(compute(), expected))
        fa.set_num_threads(2)
        same &= all(np.array_equal(a, b) for a, b in zip(compute(), expected))
        os._exit(0 if same else 3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    assert fa.get_num_threads() == 2
    assert all(np.array_equal(a, b) for a, b in zip(compute(), expected))"""


def test_a_child_forked_after_openmp_was_used_computes_and_ends(fresh_python):
    """Even when it asks for threads again; libgomp's would hang for ever: scikit-learn 7650, gcc PR60035."""
    run = fresh_python(FORK)
    assert (run.returncode, run.stdout.strip()) == (0, "0"), run.stderr


def test_a_pool_of_forked_workers_computes_and_ends(fresh_python):
    code = """if True:
        import multiprocessing
        import numpy as np
        import fastact as fa
        fa.set_num_threads(2)
        x = np.linspace(-5, 5, 500_000)
        expected = float(fa.silu(x).sum())
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(all(abs(float(y.sum()) - expected) < 1e-6 for y in pool.map(fa.silu.__call__, [x] * 4)))"""
    run = fresh_python(code)
    assert run.stdout.strip() == "True", run.stderr


IN_COMPANY = """if True:
    import os, threading
    import numpy as np
    import fastact as fa
    from fastact import _dispatch
    _dispatch.judge_threads(False)
    fa.set_num_threads(2)
    x = np.linspace(-5, 5, 500_000).astype(np.float32)
    expected = fa.tanh(x)
    def computes():
        return all(np.array_equal(f(), expected) for f in [lambda: fa.tanh(x)] * 20)
    def forked(inside):
        child = os.fork()
        if child == 0:
            os._exit(0 if inside() and fa.get_num_threads() == 1 else 3)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    def threads():
        return len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 2
"""
STORIES = {
    "of a fork": "print(forked(lambda: forked(computes) and computes()))",
    "of a thread": """
    answers = []
    thread = threading.Thread(target=lambda: answers.append(forked(computes)))
    thread.start(), thread.join()
    print(*answers)""",
    "of a thread while another one computes": """
    answers, over = [], threading.Event()
    def work():
        while not over.is_set():
            answers.append(computes())
    thread = threading.Thread(target=work)
    thread.start()
    answers += [forked(computes) for _ in range(10)]
    over.set(), thread.join()
    print(all(answers))""",
}


@pytest.mark.parametrize("story", STORIES)
def test_a_child_computes_and_ends_and_the_parent_goes_on_in_parallel(fresh_python, story):
    run = fresh_python(
        IN_COMPANY + "    " + STORIES[story] + "\n    print(computes(), fa.get_num_threads(), threads() >= 2)"
    )
    assert run.stdout.split() == ["True", "True", "2", "True"], run.stderr


MODULE = """
import numpy as np
import fastact as fa
from fastact import _dispatch

_dispatch.judge_threads(False)
fa.set_num_threads(2)
x = np.linspace(-5, 5, 500_000).astype(np.float32)
expected = fa.tanh(x)


def computes(_=None):
    return all(np.array_equal(fa.tanh(x), expected) for _ in range(20))
"""
POOLS = {
    "forkserver that has it loaded": """
    import multiprocessing
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    with context.Pool(2) as pool:
        print(all(pool.map(computes, range(4))), computes())""",
    "loky": """
    from joblib import Parallel, delayed
    print(all(Parallel(n_jobs=2, backend="loky")(delayed(computes)() for _ in range(4))), computes())""",
    "preloading server": """
    import os
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(0 if computes() else 3)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(codes == [0, 0, 0], computes())""",
}


@pytest.mark.parametrize("pool", POOLS)
def test_workers_of_a_pool_compute_and_end(fresh_python, tmp_path, pool):
    if pool == "loky":
        pytest.importorskip("joblib")
    (tmp_path / "preloaded.py").write_text(MODULE)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom preloaded import computes\n"
    run = fresh_python(code + "if __name__ == '__main__':" + POOLS[pool], PYTHONWARNINGS="ignore")
    assert run.stdout.split() == ["True", "True"], run.stderr
