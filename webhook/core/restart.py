"""Whether the kubelet starts a regular container again after it has ended (podutil.ContainerShouldRestart, Kubernetes 1.34)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core.errors import MalformedPodError

if TYPE_CHECKING:
    from webhook.core.pod import Container


class _ExitCodes(msgspec.Struct, frozen=True):
    operator: str = ""
    values: tuple[int, ...] | None = None

    def match(self, exit_code: int) -> bool:
        is_listed = exit_code in (self.values or ())
        return is_listed if self.operator == "In" else not is_listed


class _RestartRule(msgspec.Struct, frozen=True):
    exitCodes: _ExitCodes | None = None  # noqa: N815  the API's own name


_RULES: Final = msgspec.json.Decoder(tuple[_RestartRule, ...] | None)


def is_started_again(container: Container, pod_policy: str | None, exit_code: int) -> bool:
    """Whether it is, after this exit code; ``pod_policy``: the pod's restartPolicy.

    A rule that matches counts whatever its action, since each action that the API has starts containers again. A cluster that does not
    know ``restartPolicyRules`` does not store them.

    Raises:
        MalformedPodError: Its rules are not in the form of the Pod API.

    """
    try:
        rules = _RULES.decode(container.restartPolicyRules) or ()
    except msgspec.ValidationError as problem:
        message = f"{problem} of restartPolicyRules"
        raise MalformedPodError(message) from problem
    if any(rule.exitCodes is not None and rule.exitCodes.match(exit_code) for rule in rules):
        return True
    policy = container.restartPolicy or pod_policy
    return policy in {None, "Always"} or (policy == "OnFailure" and exit_code != 0)
