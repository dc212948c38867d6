"""The wrapper beside other webhooks that change the command of the task, before this one or after it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.simulated_injectors import inject_istio
from tests.support.pods import admitted, container
from tests.support.task_pods import task_pod
from webhook.core.names import PREFIX
from webhook.core.wrapper import Argv, EntrypointSource, original_argv
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

WORDS = st.lists(st.text(max_size=5) | st.sampled_from(("-c", "sh", "--", "busybox", "/bin/sh")), max_size=4)
SHELLS = st.sampled_from((["/bin/sh"], ["/airflow-sidecar-webhook/busybox", "sh"], ["bash", "--posix"]))
OPTIONS = ["--wait-seconds", "1", "--sidecar", "a", "-", "-", "POST:1/q", "--try-entrypoint", "tini", "--", "--end-try"]
DONE = "example.com/done"
GUESSING = build_policy(Settings(entrypoint_guess="allow"))


def launched(pod: JSONObject) -> JSONObject:
    """A webhook that starts the task by a program of its own, once."""
    return changed(pod, lambda main: main | {"command": ["/secrets/launch", "--quiet", *main.get("command", ())]})


def moved(pod: JSONObject) -> JSONObject:
    """A fake of bank-vaults' webhook, whose program takes the whole argv as its args (pkg/webhook/pod.go mutateContainers)."""
    return changed(pod, lambda main: main | {"command": ["/vault/vault-env"], "args": [*main.get("command", ()), *main.get("args", ())]})


def split(pod: JSONObject) -> JSONObject:
    """A webhook that leaves only the program in the command."""

    def apart(main: JSONObject) -> JSONObject:
        argv = [*main.get("command", ()), *main.get("args", ())]
        return main | {"command": ["/run", argv[0]], "args": argv[1:]}

    return changed(pod, apart)


def changed(pod: JSONObject, change: Callable[[JSONObject], JSONObject]) -> JSONObject:
    """The pod after such a webhook, which marks the pods that it has changed."""
    pod = copy.deepcopy(pod)
    if DONE not in pod["metadata"]["annotations"]:
        pod["metadata"]["annotations"][DONE] = "yes"
        container(pod, "base").update(change(container(pod, "base")))
    return pod


OTHERS = (launched, moved, split)


def wrappable(**main: Any) -> JSONObject:
    """A task pod beside Istio's proxy, whose image has a shell."""
    pod = inject_istio(task_pod())
    base = container(pod, "base")
    for field in ("command", "args"):
        base.pop(field, None)
    base.update({"image": "python:3.12", **main})
    return pod


def argv(pod: JSONObject) -> list[str]:
    """What the task's container runs."""
    base = container(pod, "base")
    return [*(base.get("command") or ()), *(base.get("args") or ())]


def stable(pod: JSONObject, policy: Policy) -> JSONObject:
    """The pod after the webhook; a second time changes nothing."""
    after = admitted(pod, policy)[1]
    assert admitted(after, policy)[0].operations == ()
    return after


@pytest.mark.parametrize("other", OTHERS)
def test_another_webhook_before_or_after_us_gives_the_same_end_state(policy: Policy, other: Callable[[JSONObject], JSONObject]) -> None:
    pod = wrappable(command=["bash", "-c", "exit 3"], args=["a", "b"])
    after_it = stable(other(pod), policy)
    around_it = stable(other(stable(pod, policy)), policy)

    assert around_it == after_it
    assert argv(around_it).count(PREFIX) == 1
    assert stable(other(around_it), policy) == around_it


def test_words_that_another_webhook_puts_before_the_wrapper_stay_before_the_command(policy: Policy) -> None:
    after = stable(launched(stable(wrappable(command=["bash", "-c", "exit 3"], args=["a"]), policy)), policy)
    base = container(after, "base")

    assert base["command"][base["command"].index("--") :] == ["--", "/secrets/launch", "--quiet", "bash", "-c", "exit 3"]
    assert base["args"] == ["a"]


def test_a_wrapper_that_was_moved_into_the_args_comes_first_again(policy: Policy) -> None:
    after = stable(moved(stable(wrappable(command=["bash", "-c", "exit 3"], args=["a"]), policy)), policy)
    base = container(after, "base")

    assert base["command"][-2:] == ["--", "/vault/vault-env"]
    assert base["args"] == ["bash", "-c", "exit 3", "a"]


@pytest.mark.parametrize("other", OTHERS)
def test_a_wrapper_that_guesses_the_entrypoint_stays_behind_those_words(other: Callable[[JSONObject], JSONObject]) -> None:
    pod = wrappable(image="registry.example.com/own-airflow", args=["airflow", "tasks", "run"])
    ours = stable(pod, GUESSING)
    after = stable(other(ours), GUESSING)

    assert argv(after) == argv(other(ours))
    assert argv(after).count(PREFIX) == 1
    assert argv(after).index(PREFIX) > argv(ours).index(PREFIX)


@pytest.mark.parametrize("other", OTHERS)
def test_the_entrypoint_of_a_table_is_a_part_of_the_command_once_another_webhook_was_there(
    policy: Policy, other: Callable[[JSONObject], JSONObject]
) -> None:
    pod = wrappable(image="apache/airflow:3.0.6", args=["airflow", "tasks", "run"])
    after = stable(other(stable(pod, policy)), policy)
    entrypoint = ["/usr/bin/dumb-init", "--", "/entrypoint", "airflow", "tasks", "run"]

    assert argv(after).count(PREFIX) == 1
    assert argv(after)[-len(entrypoint) :] == entrypoint


@given(before=WORDS, shell=SHELLS, words=WORDS, args=WORDS, place=st.integers(0, 40))
def test_whatever_stands_before_the_wrapper_and_wherever_the_args_begin_no_word_is_lost(
    before: list[str], shell: list[str], words: list[str], args: list[str], place: int
) -> None:
    whole = [*before, *shell, "-c", "SCRIPT", PREFIX, *OPTIONS, "--entrypoint-source", "command", "--", *words, *args]
    found = original_argv(whole[:place], whole[place:])
    command, rest = found.unwrapped()

    if before[-1:] == ["busybox"] and shell == ["sh"]:
        return
    assert [*command, *rest] == [*before, *words, *args]
    assert PREFIX not in command


@given(before=WORDS, args=WORDS, place=st.integers(0, 40))
def test_a_wrapper_that_searches_in_the_image_goes_back_to_its_place(before: list[str], args: list[str], place: int) -> None:
    wrapper = ["/bin/sh", "-c", "SCRIPT", PREFIX, *OPTIONS, "--entrypoint-source", "guessed", "--"]
    whole = [*before, *wrapper, *args]
    found = original_argv(whole[:place], whole[place:])
    command, rest = found.wrapped(wrapper)

    assert found.command is None
    assert [*command, *rest] == whole
    assert original_argv(command, rest) == found


def test_the_source_of_a_wrapper_in_the_args_of_nothing_is_its_command() -> None:
    # No webhook is known that clears the command: the image's entrypoint would run on the wrapper.
    args = ["/bin/sh", "-c", "SCRIPT", PREFIX, "--entrypoint-source", str(EntrypointSource.COMMAND), "--", "a", "b"]

    assert original_argv(None, args) == Argv(("a", "b"))
