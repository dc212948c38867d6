"""The wrapped command: how it is written, and how the original command is read back from it."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.oracles.kubelet_expansion import expand
from webhook.core.catalogue import FoundSidecar
from webhook.core.pod_options import WhenNotReady
from webhook.core.restart import EXIT_CODES
from webhook.core.sidecar import Endpoint
from webhook.core.wrapper import (
    HELPER_SHELL,
    Argv,
    Entrypoint,
    EntrypointSource,
    Wrap,
    is_wrapped,
    original_argv,
    unexpanded,
    wrapped_command,
    wrapper_script,
)

SOURCE = (resources.files("webhook") / "data" / "wrapper.sh").read_text("utf-8")
SCRIPT = wrapper_script(SOURCE)
ISTIO = FoundSidecar(
    "istio-proxy",
    "istio",
    Endpoint(15021, "/healthz/ready"),
    Endpoint(15020, "/healthz/ready"),
    Endpoint(15020, "/quitquitquit", "POST"),
    90,
    ends_by_itself=False,
)
WORDS = st.lists(st.text(st.characters(exclude_characters="\x00\n"), min_size=1, max_size=20), min_size=1, max_size=4).map(tuple)


def wrap(entrypoint: Entrypoint, **others: Any) -> Wrap:
    """A wrap around this entrypoint beside Istio's proxy."""
    settings = {"wait_seconds": 120, "when_not_ready": WhenNotReady.FAIL, **others}
    return Wrap(entrypoint=entrypoint, sidecars=(ISTIO,), **settings)


def test_the_command_has_the_documented_form() -> None:
    command = wrapped_command(wrap(Entrypoint(EntrypointSource.COMMAND, ("bash", "-c", "exit 3"))), SCRIPT)

    assert command == [
        "/bin/sh", "-c", SCRIPT, "airflow-sidecar-webhook",
        "--wait-seconds", "120", "--when-not-ready", "fail", "--quit", "always", "--entrypoint-source", "command",
        "--sidecar", "istio-proxy", "15021/healthz/ready", "15020/healthz/ready", "POST:15020/quitquitquit", "--", "bash", "-c", "exit 3",
    ]  # fmt: skip


def test_the_kubelet_leaves_the_script_as_it_is_whatever_the_environment() -> None:
    assert expand(SCRIPT, dict.fromkeys(("PATH", "asw_url", "1", "0"), "expanded")) == SCRIPT
    assert "$(" not in SCRIPT
    assert "$$" not in SCRIPT


def test_the_script_is_small_enough_to_be_in_every_pod() -> None:
    # An eighth of what Linux lets one argument have (MAX_ARG_STRLEN): docs/decisions/0019-size-of-the-script.md.
    assert len(SCRIPT.encode()) <= 128 * 1024 // 8


def test_the_script_has_the_lines_of_the_source_without_comments_and_indentation() -> None:
    source = "# X\n\nXif true; then\n    # nothing\n    echo X  \n\n  fiX\n"

    assert wrapper_script(source).partition("\neval")[0] == "POSIXLY_CORRECT=1 asw_script='Xif true; then\necho X\nfiX'"


@pytest.mark.parametrize("line", ["echo 'x'", "echo $(date)", "echo $$"])
def test_a_source_that_the_kubelet_or_the_quoting_would_change_is_refused(line: str) -> None:
    forbidden = next(one for one in ("'", "$(", "$$") if one in line)
    with pytest.raises(ValueError, match=rf"^the wrapper's source must not contain {re.escape(forbidden)}$"):
        wrapper_script(f"# a comment may hold ' and $(x)\n{line}\n")


@given(words=WORDS, source=st.sampled_from(EntrypointSource), helper=st.booleans(), candidates=st.lists(WORDS, max_size=2).map(tuple))
def test_the_original_command_can_be_read_back_from_every_wrapped_command(
    words: tuple[str, ...],
    source: EntrypointSource,
    helper: bool,
    candidates: tuple[tuple[str, ...], ...],
) -> None:
    words = () if source is EntrypointSource.GUESSED else words
    command = wrapped_command(wrap(Entrypoint(source, words, candidates), shell=HELPER_SHELL if helper else ("bash",)), SCRIPT)

    if any("--end-try" in candidate for candidate in candidates):
        return
    assert original_argv(command, None) == Argv(words if source is EntrypointSource.COMMAND else None)


@given(st.none() | st.lists(st.text(max_size=10), max_size=6))
def test_a_command_of_the_user_is_never_taken_for_a_wrapped_one(command: list[str] | None) -> None:
    assert original_argv(command, None) == Argv(tuple(command) if command else None)


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", "true", "airflow-sidecar-webhook"],
        ["sh", "-c", "true", "airflow-sidecar-webhook", "--", "x"],
        ["sh", "-c", "true", "airflow-sidecar-webhook", "--entrypoint-source"],
        ["sh", "-c", "true", "airflow-sidecar-webhook", "--entrypoint-source", "command"],
        ["sh", "-c", "true", "airflow-sidecar-webhook", "--try-entrypoint", "x", "--"],
        ["sh", "-c", "true", "airflow-sidecar-webhook", "--sidecar", "x", "--"],
        ["-c", "true", "airflow-sidecar-webhook", "--entrypoint-source", "command", "--", "x"],
        ["sh", "-e", "true", "airflow-sidecar-webhook", "--entrypoint-source", "command", "--", "x"],
    ],
)
def test_an_incomplete_wrapper_is_the_users_own_command(command: list[str]) -> None:
    assert original_argv(command, None) == Argv(tuple(command))
    assert original_argv([], command) == Argv(None, tuple(command))
    assert not is_wrapped(command, None)
    assert not is_wrapped(None, command)


def written(source: str) -> list[str]:
    """A wrapper without words, with this source of the entrypoint."""
    return ["sh", "-c", "SCRIPT", "airflow-sidecar-webhook", "--entrypoint-source", source, "--"]


MANY: Final = tuple(f"word-{number}" for number in range(10))


@pytest.mark.parametrize(
    ("command", "args", "original"),
    [
        ([], ["a"], Argv(None, ("a",))),
        ([*written("command"), "busybox"], [], Argv(("busybox",))),
        (written("command"), [*MANY], Argv(MANY)),
        (written("annotation"), ["a"], Argv(None, ("a",))),
        (None, [*written("guessed"), "a"], Argv(None, ("a",))),
        (["launch", *written("guessed")], ["a"], Argv(None, ("a",), ("launch",))),
        (["launch"], [*written("guessed"), "a"], Argv(None, ("a",), ("launch",), ())),
        (["launch"], ["now", *written("guessed"), "a"], Argv(None, ("a",), ("launch",), ("now",))),
    ],
)
def test_command_and_args_are_read_back_from_wherever_the_wrapper_is(command: list[str] | None, args: list[str], original: Argv) -> None:
    assert original_argv(command, args) == original
    assert is_wrapped(command, args) == ("SCRIPT" in (*(command or ()), *args))


@pytest.mark.parametrize(
    ("restart_codes", "word"),
    [
        (frozenset(), "always"),
        (frozenset({43, 42}), "not-after:42,43"),
        (EXIT_CODES - {0, 3}, "after:0,3"),
        (frozenset(range(128)), f"not-after:{','.join(map(str, range(128)))}"),
    ],
)
def test_the_exit_codes_after_which_quit_requests_are_sent_are_listed_by_the_shorter_list(restart_codes: frozenset[int], word: str) -> None:
    command = wrapped_command(wrap(Entrypoint(EntrypointSource.COMMAND, ("x",)), restart_codes=restart_codes), SCRIPT)

    assert command[command.index("--quit") + 1] == word


def test_a_sidecar_without_endpoints_has_a_dash_for_each() -> None:
    one = FoundSidecar("one", "own", None, None, None, 50, ends_by_itself=False)
    command = wrapped_command(Wrap(Entrypoint(EntrypointSource.COMMAND, ("x",)), (one,), 0, WhenNotReady.FAIL), SCRIPT)

    assert command[-7:] == ["--sidecar", "one", "-", "-", "-", "--", "x"]


@given(st.text(max_size=50))
def test_the_kubelets_expansion_does_not_change_an_entrypoint_of_an_image(word: str) -> None:
    assert expand(unexpanded(word), {"A": "expanded", "": "expanded"}) == word
