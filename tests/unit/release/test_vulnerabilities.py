"""A known vulnerability of a pinned dependency fails the check; a database that cannot be reached does not."""

from __future__ import annotations

import json
import subprocess
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Final

import pytest

from release import vulnerabilities

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

CLEAN: Final[JSONObject] = {"name": "msgspec", "version": "0.22.0", "vulns": []}
SKIPPED: Final[JSONObject] = {"name": "idna", "skip_reason": "Dependency not found"}
VULNERABLE: Final[JSONObject] = {
    "name": "jinja2",
    "version": "3.1.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["3.1.6"]}, {"id": "CVE-2", "fix_versions": []}],
}


def answer(monkeypatch: pytest.MonkeyPatch, code: int, output: str, error: str = "") -> None:
    """Let pip-audit end in this way."""
    monkeypatch.setattr(subprocess, "run", lambda command, **_: CompletedProcess(command, code, output, error))


def test_each_vulnerability_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, 1, json.dumps({"dependencies": [CLEAN, SKIPPED, VULNERABLE], "fixes": []}))

    with pytest.raises(SystemExit) as ended:
        vulnerabilities.main()

    assert str(ended.value) == (
        "jinja2 3.1.0 has CVE-1, fixed in 3.1.6: run make requirements\njinja2 3.1.0 has CVE-2, fixed in no version yet: run make requirements"
    )


@pytest.mark.parametrize(
    ("packages", "verdict"),
    [
        ([CLEAN], "none known in 1 packages"),
        ([CLEAN, SKIPPED], "none known in 1 packages; 1 not checked, since the database does not have them"),
        ([SKIPPED], "not checked, since the database that pip-audit reaches has none of the 1 packages"),
    ],
)
def test_without_one_the_check_says_what_it_checked(
    packages: list[JSONObject], verdict: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, 0, json.dumps({"dependencies": packages, "fixes": []}))

    vulnerabilities.main()

    assert capsys.readouterr().out == f"vulnerabilities of the dependencies: {verdict}\n"


def test_without_a_network_the_check_says_that_nothing_was_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, 1, "", "WARNING: retrying\nERROR:pip_audit._cli:Could not connect to the vulnerability service\n")

    vulnerabilities.main()

    assert "not checked" in capsys.readouterr().out
