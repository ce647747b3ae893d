"""An object in a process of its own, whose methods are asked for over a pipe.

What is compared runs in such processes, all alive, one at a time: two OpenMP runtimes in one process disturb
each other. A process ends when its pipe does, so none outlives the one that compares, however that ends.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import process_time, sleep
from typing import Any, NoReturn

SETTLE, SETTLE_MOST = 0.002, 0.1
"""Seconds without work after which a process's threads are asked whether they still spin; how often at most.

They do so for milliseconds after a call, and would disturb the next turn. To forbid it (OMP_WAIT_POLICY)
would measure what nobody runs.
"""


def settle() -> None:
    """Wait until the threads of this process sleep."""
    for _ in range(int(SETTLE_MOST / SETTLE)):
        before = process_time()
        sleep(SETTLE)
        if process_time() - before < SETTLE / 4:
            return


def serve(make: Callable[..., Any], arguments: tuple[Any, ...], connection: Connection) -> None:
    """What the process runs: methods of its object, as they are asked for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    served = make(*arguments)
    # The end of the pipe, whichever side of it a killed process leaves.
    with suppress(EOFError, ConnectionError):
        while True:
            method, *given = connection.recv()
            connection.send(getattr(served, method)(*given))


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What starts here never hears Ctrl-C, which all of a terminal's processes get: not while it imports."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _with_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """What starts here has these in its environment: it reads them as it imports."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Worker:
    """The process of what `make` makes of the arguments, seen from the one that compares."""

    def __init__(
        self, name: str, make: Callable[..., Any], *arguments: Any, variables: Mapping[str, str] | None = None
    ) -> None:
        context = get_context("spawn")
        self.name, (self.connection, end) = name, context.Pipe()
        self.process = context.Process(target=serve, args=(make, arguments, end), daemon=True)
        with _deaf_to_interrupts(), _with_variables(variables or {}):
            self.process.start()
        end.close()

    def tell(self, method: str, *arguments: Any) -> None:
        try:
            self.connection.send((method, *arguments))
        except ConnectionError:
            self._ended()

    def answer(self) -> Any:
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError):
            self._ended()

    def ask(self, method: str, *arguments: Any) -> Any:
        self.tell(method, *arguments)
        return self.answer()

    def close(self) -> None:
        self.connection.close()
        self.process.join(timeout=10)
        self.process.kill()

    def _ended(self) -> NoReturn:
        self.process.join()
        why = f"the process of {self.name} ended with exit code {self.process.exitcode}"
        raise WorkerEnded(why) from None


class WorkerEnded(RuntimeError):
    """A process ended before it answered: it crashed, or memory did not suffice."""
