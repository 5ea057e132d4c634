"""Writes redact/model_words.txt: the words that names of published models are made of, from the price book."""

import json
import re
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "kaizen"


def words() -> list[str]:
    """Letters and digits only. Numbers are not words: `redact.vocabulary` knows which of them may stand in a name."""
    found = set()
    for provider in json.loads((SOURCE / "pricing" / "prices.json").read_text())["providers"]:
        for name in provider["names"]:
            found |= {word for word in re.split(r"[^a-z0-9]+", name.lower()) if re.search("[a-z]", word)}
    return sorted(found)


if __name__ == "__main__":
    (SOURCE / "redact" / "model_words.txt").write_text("\n".join(words()) + "\n")
