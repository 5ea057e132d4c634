"""The parent's side of parser processes: bytes in, frames out, as many at once as there are cores.

They run apart from the store: a worker opens transcripts and nothing else.
"""

import contextlib
import os
import selectors
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TypeVar

import msgspec

from kaizen.capture.pipes import GONE, receive, send

# Below this many new bytes starting processes costs more than it saves (two workers: about 100 ms).
PARALLEL_ABOVE = 8 << 20
# Tasks that a worker has at once: it need not wait for the writer between two files, nor while that commits.
AHEAD = 12
F = TypeVar("F")


class Workers:
    """Processes that run `main` of the module `program` (see `pipes.serve`), started at once. A context manager."""

    def __init__(self, program: str) -> None:
        self._stack = contextlib.ExitStack()
        self._processes = [self._started(program) for _ in range(max(1, min(os.cpu_count() or 1, 8)))]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def frames(self, tasks: Iterable[object], frame: type[F]) -> Iterator[F]:
        """What comes of all tasks; the frames of one task stay in order."""
        encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(frame).decode
        todo, unfinished = iter(tasks), dict.fromkeys(self._processes, 0)

        def give(process: _Process) -> bool:
            task = next(todo, None)
            if task is not None:
                try:
                    send(process.tasks, encode(task))
                except BrokenPipeError:
                    raise ChildProcessError(GONE) from None
            return task is not None

        with selectors.DefaultSelector() as waiting:
            for _ in range(AHEAD):  # in turns: few tasks are for all of them, too
                for process in self._processes:
                    unfinished[process] += give(process)
            for process in self._processes:
                if unfinished[process]:
                    waiting.register(process.answers, selectors.EVENT_READ, process)
            while waiting.get_map():
                for ready, _ in waiting.select():
                    process = ready.data
                    if message := receive(process.answers):
                        yield decode(message)
                        continue
                    unfinished[process] += give(process) - 1
                    if not unfinished[process]:
                        waiting.unregister(process.answers)

    def _started(self, program: str) -> "_Process":
        process = (_forked if may_fork() else _spawned)(program)
        self._stack.callback(process.end)
        _widen(process.answers)
        return process


class _Process:
    def __init__(self, tasks: IO[bytes], answers: IO[bytes], stop: Callable[[], object]) -> None:
        """Both unbuffered: select() must see what we have not read."""
        self.tasks, self.answers, self._stop = tasks, answers, stop

    def end(self) -> None:
        for pipe in (self.tasks, self.answers):
            with contextlib.suppress(OSError):
                pipe.close()
        self._stop()


def may_fork() -> bool:
    """A copy of this process has its modules already: 5 ms of processor time instead of 60. Safe only without threads,
    and not on systems whose own libraries start some."""
    return sys.platform == "linux" and threading.active_count() == 1


def _forked(program: str) -> _Process:
    import signal
    from importlib import import_module

    their_tasks, tasks = os.pipe()
    answers, their_answers = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(their_tasks, 0)
            os.dup2(their_answers, 1)
            os.closerange(3, 1 << 16)  # others' pipes, which must end when the parent does; and the store
            import_module(program).main()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(0)
    os.close(their_tasks)
    os.close(their_answers)

    def stop() -> None:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)

    return _Process(open(tasks, "wb", buffering=0), open(answers, "rb", buffering=0), stop)


def _spawned(program: str) -> _Process:
    import subprocess

    # -P: the folder in which somebody asks is not where modules come from.
    child = subprocess.Popen([sys.executable, "-P", "-c", f"from {program} import main; main()"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert child.stdin is not None and child.stdout is not None

    def stop() -> None:
        child.terminate()
        child.wait()

    return _Process(child.stdin, child.stdout, stop)


def _widen(pipe: IO[bytes]) -> None:
    """A larger pipe lets a worker run ahead of the writer by a batch."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
