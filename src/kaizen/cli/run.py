"""One run of the program: what it is told by its surroundings, and what happens when something goes wrong.

    0 ok   1 error   2 usage   3 not found   4 check failed   130 interrupted

A reader that closes its pipe ends us quietly. A bug prints one sentence and the log with the traceback.
"""

import contextlib
import itertools
import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from kaizen.cli.output import Output, report
from kaizen.config.load import Loaded, load
from kaizen.config.model import Config
from kaizen.errors import DiskFull, KaizenError, StoreBusy, StoreReadOnly, UsageError
from kaizen.store.open import database_of, home_of, open_store, readable_errors
from kaizen.views import scope as scopes

if TYPE_CHECKING:
    from datetime import tzinfo

    from kaizen.cli.options import Where
    from kaizen.cli.progress import Progress
    from kaizen.model.times import Window
    from kaizen.outbox.enqueue import Enqueue


class Reading(NamedTuple):
    db: sqlite3.Connection
    scope: scopes.Scope


class Run:
    """The process as a command sees it; tests make one with their own `env`, `cwd` and clock."""

    out: Output

    def __init__(self, env: Mapping[str, str] | None = None, cwd: str | None = None, now_ms: int | None = None) -> None:
        self.env: Mapping[str, str] = os.environ if env is None else env
        self._cwd = cwd
        self.now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms

    @cached_property
    def home(self) -> Path:
        return home_of(self.env)

    @cached_property
    def cwd(self) -> str:
        try:
            return self._cwd or os.getcwd()
        except OSError:  # deleted under us
            return self.env.get("PWD", "/")

    @cached_property
    def loaded(self) -> Loaded:
        found = load(self.home, self.env)
        for warning in found.warnings:
            self.out.warn(warning)
        return found

    @property
    def config(self) -> Config:
        return self.loaded.config

    @contextlib.contextmanager
    def store(self, *, refresh: bool = True) -> Iterator[sqlite3.Connection]:
        """The store, read-only, fresh unless told otherwise."""
        if refresh:
            self.refresh()
        db = open_store(self.home)
        with contextlib.closing(db):
            try:
                yield db
            except sqlite3.Error:
                with readable_errors(database_of(self.home)):
                    raise

    @contextlib.contextmanager
    def _preview(self, window: "Window | None") -> Iterator[sqlite3.Connection]:
        early = None
        if not database_of(self.home).exists():
            from kaizen.capture.preview import preview
            from kaizen.model.times import ALL_TIME

            early = preview(self.env, self.config, window or ALL_TIME)
        if early is None:
            with self.store() as db:
                yield db
            return
        with contextlib.closing(early):
            yield early
        sys.stdout.flush()
        self.out.note("Storing and indexing everything now, so that later answers are instant. Ctrl-C is safe.")
        from kaizen.capture.load import load

        with self.progress() as progress:
            load(self.home, self.env, self.config, progress=progress, enqueue=self.enqueue)

    @contextlib.contextmanager
    def progress(self, *, is_wanted: bool = True) -> Iterator["Progress | None"]:
        """A progress bar on stderr, when that is a terminal and somebody reads it."""
        if not is_wanted or not sys.stderr.isatty() or self.out.is_quiet or self.out.format == "json":
            yield None
            return
        from kaizen.cli.progress import Progress

        with contextlib.closing(Progress(sys.stderr)) as bar:
            yield bar

    def refresh(self) -> None:
        """Read what grew since the last time. Where that is impossible the store is shown as it is, with a warning."""
        from kaizen.capture.refresh import refresh

        try:
            if not refresh(self.home, self.env, self.config, lambda: self.enqueue):
                self.out.note("Another kaizen is reading new records just now; this shows what is there.")
        except (DiskFull, StoreBusy, StoreReadOnly, OSError) as error:
            self.out.warn(f"Not up to date, new records could not be stored: {error}")

    @cached_property
    def enqueue(self) -> "Enqueue | None":
        """What puts changes in the outbox; None when nothing is to leave. Settings that cannot work are a warning here:
        what they miss is made up when they are right."""
        if not (self.config.sync.endpoint or self.config.telemetry.exporters):
            return None
        from kaizen.outbox.enqueue import Enqueue
        from kaizen.outbox.gate import gate

        try:
            found = gate(self.config, self.env, self.home)
        except KaizenError as error:
            self.out.warn(f"Nothing can be sent: {error}")
            return None
        return None if found is None else Enqueue(found)

    def catch_up(self, db: sqlite3.Connection) -> None:
        """Enqueue what was stored before anybody wanted to send it."""
        if self.enqueue is not None:
            self.enqueue.catch_up(db)

    def repositories(self, folder: str | None = None) -> tuple[str, ...]:
        """The repository of a folder, by default of the current one: as named, and with its links resolved."""
        from kaizen.capture.git import repository_of

        named = os.path.abspath(os.path.join(self.cwd, os.path.expanduser(folder or "")))
        return tuple(dict.fromkeys(repository_of(path) for path in (named, os.path.realpath(named))))

    @contextlib.contextmanager
    def reading(
        self, where: "Where", window: "Window | None" = None, tz: "tzinfo | None" = None, *, notes: bool = True,
        only_requests: bool = False,
    ) -> Iterator[Reading]:
        """The store and the scope of `where`. Says on stderr, or in the envelope, what is looked at.

        `only_requests`: a view that sums usage by time, agent, model or workspace, and asks for nothing else, may
        answer from a preview when nothing is stored yet; the import then follows the answer.
        """
        with self._preview(window) if only_requests and where.refresh else self.store(refresh=where.refresh) as db:
            scope = scopes.resolve(
                db,
                self.repositories(where.workspace),
                is_all=where.is_all,
                workspace=where.workspace,
                project=where.project,
                agent=where.agent,
                model=where.model,
            )
            self.out.scope = scopes.described(db, scope, window, tz)
            if scope.is_fallback and notes:
                self.out.note("No sessions in this folder yet: showing all workspaces.")
            yield Reading(db, scope)


def run(argv: Sequence[str], context: Run | None = None) -> int:
    """The exit status of a command line."""
    from kaizen.cli.group import NoArguments, root

    if "_KAIZEN_COMPLETE" in os.environ:
        from kaizen.cli.shells import answer

        return answer(os.environ)
    as_json = _wants_json(argv)
    made = context or Run()
    try:
        with root.make_context("kaizen", list(argv), obj=made) as ctx:
            root.invoke(ctx)
        sys.stdout.flush()
        return 0
    except NoArguments as none:
        sys.stderr.write(none.text + "\n")
        return 2
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.ClickException as error:
        report(_as_usage(error), as_json=as_json)
        return 2
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except KaizenError as error:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
        report(error, as_json=as_json)
        return error.exit_status
    except Exception as error:
        report(_crash(made, argv, error), as_json=as_json)
        return 1


def _wants_json(argv: Sequence[str]) -> bool:
    """Also when the command line is too wrong to be parsed."""
    pairs = itertools.pairwise(argv)
    return (
        "--json" in argv
        or "--format=json" in argv
        or "--format=jsonl" in argv
        or any(word == "--format" and value in ("json", "jsonl") for word, value in pairs)
    )


def _as_usage(error: click.ClickException) -> UsageError:
    message = error.format_message().strip()
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"See: {error.ctx.command_path} --help"
    return UsageError(message if message.endswith((".", "?", ")")) else message + ".", hint=hint)


def _forget_stdout() -> None:
    """So that the interpreter's last flush does not complain again."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Crash(KaizenError):
    """A bug of ours."""

    code = "internal_error"


def _crash(context: Run, argv: Sequence[str], error: Exception) -> Crash:
    import platform
    import traceback

    from kaizen import __version__
    from kaizen.config.secret import words

    what = f"{type(error).__name__}: {error}"
    text = (
        f"kaizen {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"command: {words(argv)}\n\n{''.join(traceback.format_exception(error))}"
    )
    try:
        folder = context.home / "logs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"crash-{context.now_ms}-{os.getpid()}.log"
        with open(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", errors="replace"
        ) as file:
            file.write(text)
    except (OSError, KaizenError):
        sys.stderr.write(text)
        return Crash(f"This is a bug in kaizen: {what}", hint="Please report it with the lines above.")
    return Crash(f"This is a bug in kaizen: {what}", hint=f"Please report it; details are in {path}", log=str(path))
