"""A call that a signal comes into is finished or not begun, and a process ends cleanly in one."""

from __future__ import annotations

import pytest

INTERRUPTED = """if True:
    import signal
    import time
    from functools import partial
    import numpy as np
    import fastact as fa
    from around import EXAMPLES

    random = np.random.default_rng(0)

    def draw(*shape, dtype=np.float32, order="C"):
        return np.asarray(3 * random.standard_normal(shape), dtype, order=order)

    def works():
        # Each a name, a call, and the array that it writes; most of them in place.
        n, rows, columns = 1_000_000, 1000, 1024
        x = draw(n)[::2]
        yield "strided", lambda: fa.gelu(x, out=x), x
        wide = draw(n, dtype=np.float64)[::-1]
        yield "dtypes that differ", lambda: fa.sigmoid.backward(wide, x=x.repeat(2), out=wide), wide
        swapped = draw(n, dtype=">f2")
        yield "byte-swapped", lambda: fa.tanh(swapped, out=swapped), swapped
        moved = draw(n)
        yield "overlap", lambda: fa.silu(moved[:-1], out=moved[1:]), moved
        dy = draw(n)[::2]
        yield "gradient of beta", lambda: fa.swish.backward(dy, x=x, beta_grad=True, out=dy), dy
        drawn = draw(rows, columns)[:, ::2]
        yield "random", lambda: fa.rrelu(drawn, seed=7, out=drawn), drawn
        f = draw(rows, columns, order="F")
        yield "rows", lambda: fa.softmax(f, out=f), f
        long = draw(50, 20_000, dtype=np.float16)
        yield "long rows of float16", lambda: fa.log_softmax(long, out=long), long
        c, mask = draw(rows, columns), random.random((rows, columns)) > 0.5
        yield "a mask", lambda: fa.softmax(c, where=mask, out=c), c
        yield "a hard choice", lambda: fa.gumbel_softmax(c, hard=True, seed=7, out=c), c
        yield "a hard choice, strided", lambda: fa.gumbel_softmax(f, hard=True, seed=7, out=f), f
        half = draw(rows, columns // 2, order="F")
        yield "a gate", lambda: fa.swiglu(f, out=half), half
        yield "a gate's gradient", lambda: fa.swiglu.backward(half, x=f, out=f), f
        quarter = draw(rows, columns // 4)
        yield "pieces", lambda: fa.maxout(f, 4, out=quarter), quarter
        yield "a gradient of pieces", lambda: fa.maxout.backward(quarter, x=f, pieces=4, out=f), f
        yield "one weight", lambda: fa.prelu(f, 0.25, out=f), f
        weight = draw(columns)
        yield "weights", lambda: fa.prelu(f, weight, out=f), f
        yield "a gradient of weights", lambda: fa.prelu.backward(f, x=c, weight=weight, out=f), f
        for example in EXAMPLES:
            for place, (name, *_) in example.in_place.items():
                arrays = example.draw(np.float32, (rows,), columns // 4)
                written = arrays[name] = np.asfortranarray(arrays[name])
                yield f"{example} over {name}", partial(example.into, arrays, {place: written}), written

    def interrupted(call, delay):
        # Whether a handler that raises, as Ctrl-C's, came into the call.
        try:
            signal.setitimer(signal.ITIMER_REAL, delay)
            call()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            return True
        return False

    signal.signal(signal.SIGALRM, signal.default_int_handler)
    fa.set_num_threads(1)
    MOMENTS = 12
    for name, call, written in works():
        before = written.copy()
        call()
        after = written.copy()
        durations = []
        for repeat in range(3):
            np.copyto(written, before)
            start = time.perf_counter()
            call()
            durations.append(time.perf_counter() - start)
        came = 0
        for moment in range(MOMENTS):
            np.copyto(written, before)
            came += interrupted(call, min(durations) * (moment + 0.5) / MOMENTS)
            if not any(np.array_equal(written, whole) for whole in (before, after)):
                print("half written:", name)
                break
        if not came:
            print("no interrupt came:", name)
    print("done")"""


def test_an_interrupted_call_is_finished_or_not_begun(fresh_python):
    run = fresh_python(INTERRUPTED)
    assert run.stdout == "done\n", run.stderr


CALLS = """if True:
    import os
    import signal
    import threading
    import time
    import numpy as np
    import fastact as fa

    x = np.linspace(-5, 5, 4_000_000, dtype=np.float32)
    strided, rows = x[::2], np.asfortranarray(x.reshape(2000, 2000))

    def work():
        while True:
            fa.silu(x, out=x)
            fa.tanh(strided, out=strided)
            fa.softmax(rows, out=rows)
            fa.softmax(x, out=x)
"""


@pytest.mark.parametrize("count", ["1", "2"])
def test_a_process_ends_in_a_call_where_it_is_told_to(fresh_python, count):
    code = f"""{CALLS}
    threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGTERM]).start()
    work()"""
    run = fresh_python(code, FASTACT_NUM_THREADS=count)
    assert run.returncode == -15, run.stderr


@pytest.mark.parametrize("count", ["1", "2"])
def test_the_interpreter_ends_while_a_daemon_thread_is_in_a_call(fresh_python, count):
    for moment in range(8):
        code = f"""{CALLS}
    threading.Thread(target=work, daemon=True).start()
    time.sleep(0.05 + {moment} * 0.0037)"""
        run = fresh_python(code, FASTACT_NUM_THREADS=count)
        assert (run.returncode, run.stderr) == (0, "")
