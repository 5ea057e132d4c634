"""A PostgreSQL of our own for the tests: `python private_postgres.py COMMAND ...` runs COMMAND beside one.

In a temporary folder, reachable through a socket there and through nothing else, gone afterwards. Installs nothing:
the programs are those of the system (Debian: apt-get install postgresql). It does not run as root, so root lends it to
`nobody`.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path


def programs() -> Path | None:
    """Where initdb and pg_ctl are."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((one for one in places if (one / "initdb").exists() and (one / "pg_ctl").exists()), None)


def empty_database(url: str) -> str:
    """A new database on the server of `url`."""
    import psycopg

    name = f"kaizen_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    return url.replace("/postgres?", f"/{name}?")


def main(command: list[str]) -> int:
    where = programs()
    if where is None:
        print("There is no PostgreSQL here. Debian: apt-get install postgresql", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="kzpg") as folder:
        user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(folder, user)

        def run(program: str, *argv: str) -> None:
            subprocess.run([where / program, *argv], user=user if os.geteuid() == 0 else None, check=True, cwd=folder,
                           stdout=subprocess.DEVNULL)  # fmt: skip

        run("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "kaizen", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c max_connections=300"
        run("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            url = f"postgresql://kaizen@/postgres?host={folder}"
            return subprocess.run(command, env={**os.environ, "KAIZEN_TEST_POSTGRES": url}, check=False).returncode
        finally:
            run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
