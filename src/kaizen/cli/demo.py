"""`kaizen demo`."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from kaizen.cli.command import command
from kaizen.cli.ink import Ink
from kaizen.cli.run import Run
from kaizen.cli.summary import lines as summary_lines
from kaizen.errors import UsageError
from kaizen.views import scope as scopes
from kaizen.views import summary as views

TRY = (
    "kaizen cost --all --by project",
    "kaizen sessions list --all",
    "kaizen show @last --all",
    "kaizen search --all deadlock",
    "kaizen insights --all",
    "kaizen explain cost @last",
)


@command(schema="demo/1", examples=["kaizen demo", "kaizen demo --keep /tmp/kaizen-demo", "kaizen demo --json"])
@click.option("--keep", metavar="DIR", help="Put it into this new or empty folder and leave it there, to look around.")
def demo(run: Run, keep: str | None) -> None:
    """Look around in a made-up workspace: three weeks of Claude Code, Codex and Cursor in two small repositories.

    Writes transcripts into a temporary folder, loads them into a store of their own there, and prints the summary. Your
    own sessions are not read and your store is not touched. Without --keep the folder is deleted again.
    """
    from kaizen.capture import demo as transcripts
    from kaizen.capture import load as capture
    from kaizen.cli.options import When
    from kaizen.config.model import Config
    from kaizen.store.open import open_store

    with _folder(keep) as folder:
        env = {"HOME": str(folder), "KAIZEN_HOME": str(folder / ".kaizen")}
        transcripts.write(folder, run.now_ms)
        capture.load(Path(env["KAIZEN_HOME"]), env, Config())
        when = When()
        tz, window = when.zone(), when.window(run.now_ms)
        with contextlib.closing(open_store(Path(env["KAIZEN_HOME"]))) as db:
            scope = scopes.resolve(db, (), is_all=True)
            run.out.scope = scopes.described(db, scope, window, tz)
            found = views.summary(db, scope, window, tz, run.now_ms)
        run.out.show(found, lambda data, ink: _lines(data, ink, folder if keep else None))


def _lines(found: views.Summary, ink: Ink, kept: Path | None) -> Iterator[str]:
    yield from summary_lines(found, ink)
    yield ""
    if kept is None:
        yield ink.dim("Made up, and deleted again. To look around in it: kaizen demo --keep /tmp/kaizen-demo")
        yield ink.dim("Your own sessions: kaizen load, then kaizen summary --all")
        return
    yield "Made up, in a folder of its own. To look around in it:"
    yield f"  export KAIZEN_HOME={kept / '.kaizen'} HOME={kept}"
    for line in TRY:
        yield f"  {line}"
    yield ink.dim("Close this shell to be back among your own sessions; delete the folder when you are done.")


@contextlib.contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="kaizen-demo-") as made:
            yield Path(made).resolve()
        return
    folder = Path(keep).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder} cannot be used: {error.strerror}.", hint="Name a new folder.") from error
    if not is_empty:
        raise UsageError(f"{folder} is not empty.", hint="Name a new folder, or delete this one first.")
    yield folder
