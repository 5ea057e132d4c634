"""Write src/kaizen/redact/models.txt: the names of public models, from the price book.

    python scripts/build_model_names.py [--check]
"""

import sys
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
sys.path.insert(0, str(SRC))

from kaizen import pricing  # noqa: E402 - our own tree, installed or not

TARGET = SRC / "kaizen" / "redact" / "models.txt"


def names() -> str:
    return "\n".join(sorted({name for _, name in pricing.load().models()})) + "\n"


def main() -> int:
    if "--check" in sys.argv:
        return 0 if TARGET.read_text(encoding="utf-8") == names() else 1
    TARGET.write_text(names(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
