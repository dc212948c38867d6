"""Writes the golden pair of every example that has an ``about``: ``python -m tests.golden``. Read the difference before you commit it."""

from __future__ import annotations

from tests.golden.pair import FOLDER, PAIRED, pair_file, pair_text
from webhook.policy_files import build_policy
from webhook.settings import Settings

if __name__ == "__main__":
    policy = build_policy(Settings())
    for stale in FOLDER.glob("*.yaml"):
        stale.unlink()
    for example in PAIRED:
        pair_file(example).write_text(pair_text(example, policy), "utf-8")
