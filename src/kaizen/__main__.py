"""`python -m kaizen`. Answers `--version` before importing anything else, as `bin/kaizen` does."""

import sys

from kaizen import __version__

if __name__ == "__main__":
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"kaizen {__version__}\n")
    else:
        from kaizen.cli import main

        main()
