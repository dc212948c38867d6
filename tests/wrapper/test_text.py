"""The rules for the text of wrapper.sh."""

from __future__ import annotations

import re
import subprocess
from typing import Final

import pytest

from tests.support.oracles.kubelet_expansion import container_argv
from tests.wrapper.main_container import SCRIPT, SOURCE
from tests.wrapper.requirements import require_program
from webhook.core.catalogue import FoundSidecar
from webhook.core.pod_options import WhenNotReady
from webhook.core.sidecar import Endpoint
from webhook.core.wrapper import Entrypoint, EntrypointSource, Wrap, wrapped_command

CODE: Final = [line for line in SOURCE.splitlines() if not line.lstrip().startswith("#")]

# The rules of shellcheck that do not apply, and why.
EXCLUDED: Final = {
    "SC1007": "several empty variables on one line",
    "SC2006": "backquotes: the kubelet expands a dollar with a parenthesis",
    "SC2064": "the names of signals are expanded when the trap is set, on purpose",
    "SC2086": "words are split on purpose, at the IFS set just before",
    "SC2034": "variables for the unused part of a line, and variables that an eval reads",
    "SC2154": "asw_script and asw_end are assigned where shellcheck does not see it",
    "SC3044": "declare shows whether this is bash: other shells do not have it",
    "SC3013": "dash and busybox have -ef",
    "SC3025": "/dev/tcp is used in bash alone",
    "SC3028": "BASHPID is used in bash alone",
    "SC3040": "set +o posix is used in bash alone",
    "SC3045": "read -t is used in bash alone",
    "SC2317": "functions whose name is in a variable are called",
    "SC2329": "the same, as shellcheck 0.11 calls it",
    "SC2209": "a word that is also a program is meant as a word",
}


@pytest.mark.parametrize("forbidden", ["'", "$(", "$$"])
def test_nothing_occurs_that_the_kubelet_would_expand_or_that_would_end_the_quoted_script(forbidden: str) -> None:
    assert [line for line in CODE if forbidden in line] == []


def test_every_variable_starts_with_asw() -> None:
    """Except IFS, which is never exported, those of a request with wget, which are set in a subshell only, POSIXLY_CORRECT, which the task does not get, and the PATH of a try of env."""
    text = "\n".join(CODE).replace('"PATH=/dev/null"', "")
    assigned = set(re.findall(r"(?:^|[\s;{(\"])([A-Za-z_]\w*)=", text)) | set(re.findall(r"\bfor (\w+) in", text))
    words = [found.split() for found in re.findall(r"\bread -r (?:-[nt] \S+ )*(.*?) *(?:<|;|\||\n)", text)]
    read = {name for names in words for name in names}
    of_python = {"end", "_"}
    assert {name for name in assigned | read if not name.startswith("asw_")} == {"IFS", "LC_ALL", "no_proxy", "POSIXLY_CORRECT"} | of_python
    assert len(read) >= 4


def test_nothing_is_written_to_stdout_outside_of_a_substitution() -> None:
    outside = [line.strip() for line in CODE if re.search(r"\b(?:echo|printf)\b", line) and "`" not in line]
    to_stdout = [line for line in outside if not re.search(r">&(?:[28]|\"\$asw_pipe\")", line)]
    answers = re.compile(r"printf (?:refused|\"no answer\"|\"HTTP/1.1 200\"|\"%s\" |\"%\.3s\" )|unset -f|^asw_try |^set -- ")
    assert [line for line in to_stdout if not answers.search(line)] == []


def test_after_the_first_trap_bash_parses_no_process_substitution() -> None:
    """Bash 5.2 runs a trap while it parses one, and takes the trap's words for a part of it: the signal is lost."""
    first_trap = next(number for number, line in enumerate(CODE) if line.startswith("for asw_name in $asw_signals; do trap"))
    (found,) = [number for number, line in enumerate(CODE) if "<(" in line]
    assert found < first_trap
    assert not CODE[found].startswith("  "), "a function may be called later"


def test_shellcheck_finds_nothing_but_what_is_excluded() -> None:
    shellcheck = require_program("shellcheck")
    arguments = ("--shell=sh", "--format=gcc", f"--exclude={','.join(EXCLUDED)}", "-")
    checked = subprocess.run([shellcheck, *arguments], input=SOURCE, capture_output=True, text=True, check=False)
    assert checked.stdout == ""


def test_the_kubelet_expands_the_words_of_the_user_and_not_those_of_the_wrapper() -> None:
    sidecar = FoundSidecar(
        "proxy", "istio", Endpoint(15021, "/healthz/ready?a=$(HOME)$$"), None, Endpoint(15020, "/quit$x", "POST"), 90, ends_by_itself=False
    )
    entrypoint = Entrypoint(EntrypointSource.COMMAND, ("$(GREETING)", "$$(GREETING)", "$HOME"))
    wrap = Wrap(entrypoint, (sidecar,), 120, WhenNotReady.FAIL)
    command = wrapped_command(wrap, SCRIPT)
    argv = container_argv({"command": command, "args": ["$(GREETING)"]}, {"GREETING": "hello", "HOME": "/root", "asw_nl": "no"})
    assert argv[2] == SCRIPT
    assert argv[argv.index("--sidecar") + 1 : argv.index("--")] == ["proxy", "15021/healthz/ready?a=$(HOME)$$", "-", "POST:15020/quit$x"]
    assert argv[argv.index("--") + 1 :] == ["hello", "$(GREETING)", "$HOME", "hello"]
