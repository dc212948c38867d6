"""Writes the golden pair of every example that has an ``about``, and that of an audit: ``python -m tests.golden``. Read the difference before you commit it."""

from __future__ import annotations

from tests.golden.pair import AUDIT_FILE, FOLDER, PAIRED, audit_text, pair_file, pair_text
from webhook.core import default_policy

if __name__ == "__main__":
    policy = default_policy()
    for stale in FOLDER.glob("*.yaml"):
        stale.unlink()
    for example in PAIRED:
        pair_file(example).write_text(pair_text(example, policy), "utf-8")
    AUDIT_FILE.parent.mkdir(exist_ok=True)
    AUDIT_FILE.write_text(audit_text(policy), "utf-8")
