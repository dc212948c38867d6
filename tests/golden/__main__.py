"""Writes the second and third part of every golden pair anew: ``python -m tests.golden``. Read the difference before you commit it."""

from __future__ import annotations

from tests.golden.pair import made_anew, pairs
from webhook.policy_files import build_policy
from webhook.settings import Settings

if __name__ == "__main__":
    policy = build_policy(Settings())
    for path in pairs():
        path.write_text(made_anew(path.read_text("utf-8"), policy), "utf-8")
