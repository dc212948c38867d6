"""Writes the golden pair of every example that has an ``about``: ``python -m tests.golden``. Read the difference before you commit it."""

from __future__ import annotations

from tests.golden.pair import FOLDER, PAIRED, pair_file, pair_text
from webhook.core import default_policy

if __name__ == "__main__":
    policy = default_policy()
    for stale in FOLDER.glob("*.yaml"):
        stale.unlink()
    for example in PAIRED:
        pair_file(example).write_text(pair_text(example, policy), "utf-8")
