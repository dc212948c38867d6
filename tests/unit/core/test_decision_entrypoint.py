"""What the entrypoint table decides about an operator's pod that gives no command."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import pytest

from demo.simulated_injectors import inject_istio
from tests.support.pods import admitted, container, load
from webhook.core.entrypoint import parse_entrypoints
from webhook.core.names import PREFIX

if TYPE_CHECKING:
    from webhook.core.policy import Policy

OPERATOR: Final = "airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"
IMAGE: Final = "registry.example.com/etl"

# The row for the image, the pod's args, the result and reason, and the words behind the wrapper.
ROWS: Final[dict[str, tuple[dict[str, Any], list[str] | None, str, list[str]]]] = {
    "a known entrypoint and args": ({"entrypoint": ["/run"], "shell": True}, ["x"], "wrapped sidecars-quit", ["/run"]),
    "a known entrypoint, no args, an unknown CMD": ({"entrypoint": ["/run"], "shell": True}, None, "left entrypoint-unknown", []),
    "a known entrypoint, no args, a known CMD": (
        {"entrypoint": ["/run"], "cmd": ["serve"], "shell": True}, None, "wrapped sidecars-quit", ["/run", "serve"]),
    "a known entrypoint, no args, a known empty CMD": (
        {"entrypoint": ["/run"], "cmd": [], "shell": True}, [], "wrapped sidecars-quit", ["/run"]),
    "an image without an entrypoint": ({"entrypoint": [], "shell": True}, ["x"], "wrapped sidecars-quit", []),
    "an image without an entrypoint, and perhaps without a shell": ({"entrypoint": []}, ["sh"], "left shell-unknown", []),
    "an entrypoint that is a shell": ({"entrypoint": ["/bin/bash"]}, ["-c", "true"], "wrapped sidecars-quit", ["/bin/bash"]),
    "an entrypoint that may be in an image without a shell": ({"entrypoint": ["/run"]}, ["x"], "left shell-unknown", []),
    "a shell, but an unknown entrypoint": ({"shell": True}, ["x"], "left entrypoint-unknown", []),
    "another image": ({"image": f"{IMAGE}-other", "entrypoint": ["/run"], "shell": True}, ["x"], "left entrypoint-unknown", []),
}  # fmt: skip


@pytest.mark.parametrize(("row", "args", "result", "words"), ROWS.values(), ids=ROWS)
def test_a_row_of_the_table_decides_what_is_run(
    row: dict[str, Any], args: list[str] | None, result: str, words: list[str], policy: Policy
) -> None:
    pod = inject_istio(load(OPERATOR))
    container(pod, "base").update({"image": f"{IMAGE}:9", "command": None, "args": args})
    table = parse_entrypoints({"images": [{"image": IMAGE, **row}]})
    outcome, after = admitted(pod, dataclasses.replace(policy, entrypoints=table))
    command = container(after, "base")["command"] or []

    assert f"{outcome.result} {outcome.reason}" == result
    assert (PREFIX in command) == (outcome.result == "wrapped")
    assert command[len(command) - command[::-1].index("--") :] == words if command else words == []
