"""Where a test stands: beside the module of its name, in a file that can be read at one sitting."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.each import each

ROOT: Final = Path(__file__).parents[2]
UNIT: Final = ROOT / "tests" / "unit"
FOLDERS: Final = {
    "benchmarks": ("benchmarks",),
    "certs": ("certs",),
    "release": ("release",),
    "testbed": ("testbed",),
    "support": ("tests/support", "tests/support/oracles"),
    "": ("webhook",),
}
"""Folders of `tests/unit` whose modules do not stand in the folder of that name in `webhook`."""

THEMES: Final = {
    "command/test_unknown_containers.py": "what explain, warnings and status say of a container that nobody knows",
    "core/test_uniqueness.py": "each rule of the API server about what is unique in a pod",
    "core/test_never_worse.py": "the law that no pod is worse off",
    "core/test_properties.py": "laws that hold for any pod, whatever module keeps them",
    "core/test_real_pods.py": "what becomes of each pod that Airflow sends",
    "core/test_cost.py": "what a review costs, whatever is in the pod",
    "core/test_face.py": "webhook.core itself",
    "core/test_long_texts.py": "what a text of any length costs, whatever field it is in",
    "data/test_examples.py": "the examples of the catalogue's rows",
    "data/test_laws.py": "what holds for every row of the catalogue",
    "server/test_connection_memory.py": "what a connection leaves behind in memory, however it ends",
    "server/test_request_path.py": "what a request to the application does, and does not do",
    "test_package.py": "the installed packages",
}
"""Test files that belong to no single module, and what they are about."""

MOST_LINES: Final = 600
TEST_FILES: Final = sorted(UNIT.rglob("test_*.py"))
CONFTESTS: Final = sorted((ROOT / "tests").rglob("conftest.py"))


def module_of(test_file: Path) -> Path | None:
    """The module that a test file names: test_a_b.py is about a_b.py, or one theme of a.py."""
    folder = test_file.parent.relative_to(UNIT).as_posix().removeprefix(".")
    words = test_file.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    homes = FOLDERS.get(folder, (f"webhook/{folder}",))
    return next((path for name in names for home in homes if (path := ROOT / home / f"{name}.py").exists()), None)


@each("path", TEST_FILES)
def test_a_unit_test_file_names_a_module_or_is_a_known_theme(path: Path) -> None:
    assert (path.relative_to(UNIT).as_posix() in THEMES) != (module_of(path) is not None)


def test_every_theme_is_a_file() -> None:
    assert {path.relative_to(UNIT).as_posix() for path in TEST_FILES} >= THEMES.keys()


def test_no_test_file_is_longer_than_can_be_read_at_one_sitting() -> None:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in (ROOT / "tests").rglob("*.py")}

    assert len(lines) > 100
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("path", CONFTESTS, ids=lambda path: path.parent.name)
def test_conftest_holds_fixtures_and_hooks_alone(path: Path) -> None:
    functions = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
    helpers = [one.name for one in functions if not one.name.startswith("pytest_") and not any(map(is_fixture, one.decorator_list))]

    assert helpers == []


def is_fixture(decorator: ast.expr) -> bool:
    """Whether a decorator is pytest's."""
    return ast.unparse(decorator).startswith("pytest.fixture")


def test_a_json_object_has_one_definition_in_each_part_that_knows_no_other() -> None:
    sources = [
        path
        for folder in ("webhook", "certs", "testbed", "tests", "demo", "benchmarks", "manifests", "docs")
        for path in (ROOT / folder).rglob("*.py")
    ]
    defining = {
        path.relative_to(ROOT).as_posix()
        for path in sources
        if re.search(r"^\s*\w+(: TypeAlias)? = dict\[str, Any\]$", path.read_text("utf-8"), re.MULTILINE)
    }

    assert defining == {"certs/api.py", "testbed/api.py", "tests/support/json_object.py"}


def test_no_struct_is_decoded_without_a_decoder_that_is_made_before_threads_use_it() -> None:
    """Its first use by two threads at once ends the process: `webhook.kube.reading._decoder` says why."""
    calls = [
        (path, node.lineno)
        for path in (ROOT / "webhook").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "msgspec.json.decode"
        for word in node.keywords
        if word.arg == "type" and ast.unparse(word.value) != "dict[str, Any]"
    ]

    assert calls == []
