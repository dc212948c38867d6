"""Names in the tree: a class name says one thing."""

from __future__ import annotations

import ast
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MANY: Final = 200


def class_names() -> dict[str, list[str]]:
    """For each class in the repository's Python files, nested ones too, the files that define it."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files: dict[str, list[str]] = defaultdict(list)
    for path in listed.split():
        text = (ROOT / path).read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "class " in text else ():
            if isinstance(node, ast.ClassDef):
                files[node.name].append(path)
    return files


def test_every_class_name_occurs_once() -> None:
    files = class_names()

    assert len(files) > MANY, "the classes were found"
    assert {name: paths for name, paths in files.items() if len(paths) > 1} == {}
