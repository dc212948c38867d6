"""``python -m tests.equivalence [COMMIT]``: whether every decision is the one of that commit, renamed words aside; prints what differs.

The commit has to have the interface that `decide_before` uses: 48dd41b, the last before the words were renamed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from tests.equivalence import decide_today
from tests.equivalence.subjects import subjects
from tests.support.work_tree import work_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMIT: Final = "48dd41b"
SHOWN: Final = 5

RENAMED: Final = (
    ("told-not-to", "opted-out"),
    ("no-rule", "not-convertible"),
    ("some-run-on", "some-keep-running"),
    ("runs-on", "keeps-running"),
    (r"\"kept\":", r"\"not_converted\":"),
    ('"--wait"', '"--wait-seconds"'),
    ('"--late"', '"--when-not-ready"'),
    ('"--quit", "success"', '"--quit", "after:0"'),
    ('"--entrypoint"', '"--entrypoint-source"'),
    ('"--try"', '"--try-entrypoint"'),
    ('"--end"', '"--end-try"'),
)
"""Words of statuses, reasons and the wrapper's command line, then and now."""


def main(commit: str) -> int:
    """Compare; 1 where a decision differs."""
    with TemporaryDirectory() as folder:
        pods, before, today = (Path(folder) / name for name in ("pods.json", "before", "today"))
        pods.write_text(json.dumps(list(subjects())), "utf-8")
        decided_at(commit, pods, before)
        decide_today.main(pods, today)
        differing = list(_differing(before.read_text("utf-8"), today.read_text("utf-8")))
        count = len(today.read_text("utf-8").splitlines())
    for one in differing[:SHOWN]:
        print(one)
    print(f"{count} decisions compared with {commit}: {len(differing)} differ")
    return 1 if differing else 0


def decided_at(commit: str, pods: Path, results: Path, *policies: str) -> None:
    """Have an earlier commit decide about these pods; ``policies``: names of the only ones of `decide_before` to decide by."""
    script = Path(__file__).with_name("decide_before.py")
    with work_tree(commit) as tree:
        subprocess.run([sys.executable, str(script), str(pods), str(results), *policies], cwd=tree, check=True)


def _differing(before: str, today: str) -> Iterator[str]:
    for old, new in zip(before.splitlines(), today.splitlines(), strict=True):
        then, now = _comparable(_renamed(old)), _comparable(new)
        if then != now:
            yield f"then {json.dumps(then)}\nnow  {json.dumps(now)}\n"


def _renamed(line: str) -> str:
    for word, today in RENAMED:
        pattern = rf"(?<![\w-]){re.escape(word)}(?![\w-])" if word[0].isalpha() else re.escape(word)
        line = re.sub(pattern, today.replace("\\", "\\\\"), line)
    return line


def _comparable(line: str) -> Any:
    """The order of independent annotations follows the order of the catalogue's rows, and is not compared."""
    subject, (result, reason, patch, warnings) = json.loads(line)
    return [subject, [result, reason, sorted(patch, key=_place), warnings]]


def _place(operation: dict[str, Any]) -> str:
    return str(operation["path"]) if operation["path"].startswith("/metadata/annotations") else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else COMMIT))
