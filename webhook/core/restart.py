"""After which exit codes the kubelet starts a regular container again (podutil.ContainerShouldRestart, Kubernetes 1.34)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core.errors import MalformedPodError
from webhook.core.pod import ABSENT

if TYPE_CHECKING:
    from webhook.core.pod import Container


class _ExitCodes(msgspec.Struct, frozen=True):
    operator: str = ""
    values: tuple[int, ...] | None = None

    def match(self, exit_code: int) -> bool:
        is_listed = exit_code in (self.values or ())
        return is_listed if self.operator == "In" else not is_listed

    def codes(self) -> frozenset[int]:
        listed = self.values or ()
        return EXIT_CODES.intersection(listed) if self.operator == "In" else EXIT_CODES.difference(listed)


class _RestartRule(msgspec.Struct, frozen=True):
    exitCodes: _ExitCodes | None = None  # noqa: N815  the API's own name


_RULES: Final = msgspec.json.Decoder(tuple[_RestartRule, ...] | None)

_MAX_RULES: Final = 20
"""The API server refuses a container with more (validation.go validateContainerRestartPolicy)."""

EXIT_CODES: Final = frozenset(range(256))
"""What a process can exit with (wait(2))."""

FAILURES: Final = EXIT_CODES - {0}

_BY_POLICY: Final[dict[str | None, frozenset[int]]] = {None: EXIT_CODES, "Always": EXIT_CODES, "OnFailure": FAILURES}


def restart_codes(container: Container, pod_policy: str | None) -> frozenset[int]:
    """The exit codes after which it is; ``pod_policy``: the pod's restartPolicy.

    Raises:
        MalformedPodError: As `is_started_again`.

    """
    codes = _BY_POLICY.get(container.restartPolicy or pod_policy, frozenset())
    if container.restartPolicyRules == ABSENT:
        return codes
    of_rules = [rule.exitCodes.codes() for rule in _rules(container)[:_MAX_RULES] if rule.exitCodes is not None]
    return codes.union(*of_rules)


def is_started_again(container: Container, pod_policy: str | None, exit_code: int) -> bool:
    """Whether it is, after this exit code; ``pod_policy``: the pod's restartPolicy.

    A rule that matches counts whatever its action, since each action that the API has starts containers again. A cluster that does not
    know ``restartPolicyRules`` does not store them.

    Raises:
        MalformedPodError: Its rules are not in the form of the Pod API.

    """
    if any(rule.exitCodes is not None and rule.exitCodes.match(exit_code) for rule in _rules(container)):
        return True
    policy = container.restartPolicy or pod_policy
    return policy in {None, "Always"} or (policy == "OnFailure" and exit_code != 0)


def _rules(container: Container) -> tuple[_RestartRule, ...]:
    try:
        return _RULES.decode(container.restartPolicyRules) or ()
    except msgspec.ValidationError as problem:
        message = f"{problem} of restartPolicyRules"
        raise MalformedPodError(message) from problem
