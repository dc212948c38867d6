"""The wrapped command: how it is written, and how the original command is read back from it."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.oracles.kubelet_expansion import expand
from webhook.core.catalogue import FoundSidecar
from webhook.core.pod_options import WhenNotReady
from webhook.core.sidecar import Endpoint
from webhook.core.wrapper import (
    HELPER_SHELL,
    Argv,
    Entrypoint,
    EntrypointSource,
    Wrap,
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


@pytest.mark.parametrize("line", ["echo 'x'", "echo $(date)", "echo $$"])
def test_a_source_that_the_kubelet_or_the_quoting_would_change_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"^the wrapper's source must not contain"):
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
    ],
)
def test_an_incomplete_wrapper_is_the_users_own_command(command: list[str]) -> None:
    assert original_argv(command, None) == Argv(tuple(command))


@given(st.text(max_size=50))
def test_the_kubelets_expansion_does_not_change_an_entrypoint_of_an_image(word: str) -> None:
    assert expand(unexpanded(word), {"A": "expanded", "": "expanded"}) == word
