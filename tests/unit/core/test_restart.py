"""Whether the kubelet starts a container again, by its own rules, its own policy and the pod's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from webhook.core.errors import MalformedPodError
from webhook.core.pod import Container
from webhook.core.restart import EXIT_CODES, is_started_again, restart_codes

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject


def container(**fields: object) -> Container:
    return msgspec.json.decode(msgspec.json.encode({"name": "base", **fields}), type=Container)


def rule(operator: str, *values: int) -> JSONObject:
    return {"action": "Restart", "exitCodes": {"operator": operator, "values": values}}


CASES: Final[dict[str, tuple[Container, str | None, int, bool]]] = {
    "the pod says Never": (container(), "Never", 1, False),
    "the pod says OnFailure, and it failed": (container(), "OnFailure", 1, True),
    "the pod says OnFailure, and it succeeded": (container(), "OnFailure", 0, False),
    "the pod says Always": (container(), "Always", 0, True),
    "the pod says nothing, which is Always": (container(), None, 0, True),
    "the pod says what is no policy, and is refused": (container(), "Sometimes", 1, False),
    "its own policy counts more than the pod's": (container(restartPolicy="Never"), "Always", 1, False),
    "its own policy is OnFailure": (container(restartPolicy="OnFailure"), "Never", 1, True),
    "a rule lists the code": (container(restartPolicy="Never", restartPolicyRules=[rule("In", 2, 3)]), "Never", 3, True),
    "no rule lists the code": (container(restartPolicy="Never", restartPolicyRules=[rule("In", 2, 3)]), "Never", 4, False),
    "a rule excepts the code": (container(restartPolicy="Never", restartPolicyRules=[rule("NotIn", 3)]), "Never", 3, False),
    "a rule excepts other codes": (container(restartPolicy="Never", restartPolicyRules=[rule("NotIn", 3)]), "Never", 4, True),
    "the second rule matches": (
        container(restartPolicy="Never", restartPolicyRules=[rule("In", 2), rule("In", 3)]),
        "Never",
        3,
        True,
    ),
    "where no rule matches, its policy counts": (container(restartPolicy="Always", restartPolicyRules=[rule("In", 2)]), "Never", 3, True),
    "a rule without exit codes matches nothing": (
        container(restartPolicy="Never", restartPolicyRules=[{"action": "Restart"}]),
        "Never",
        3,
        False,
    ),
    "there are no rules": (container(restartPolicyRules=None), "Never", 3, False),
}


@pytest.mark.parametrize(("one", "pod_policy", "code", "is_restarted"), CASES.values(), ids=CASES)
def test_a_container_is_started_again_where(one: Container, pod_policy: str | None, code: int, is_restarted: bool) -> None:
    assert is_started_again(one, pod_policy, code) is is_restarted


@pytest.mark.parametrize(("one", "pod_policy"), [case[:2] for case in CASES.values()], ids=CASES)
def test_the_codes_of_a_restart_are_those_after_which_it_is_started_again(one: Container, pod_policy: str | None) -> None:
    assert restart_codes(one, pod_policy) == {code for code in EXIT_CODES if is_started_again(one, pod_policy, code)}


def test_no_more_rules_are_read_for_the_codes_than_a_container_may_have() -> None:
    """A pod with more is refused by the API server, so their codes are of no use; to read them all would take time."""
    rules = [rule("In", code) for code in range(21)]
    assert restart_codes(container(restartPolicyRules=rules), "Never") == frozenset(range(20))


def test_rules_in_another_form_make_the_pod_malformed() -> None:
    with pytest.raises(MalformedPodError, match="of restartPolicyRules"):
        is_started_again(container(restartPolicyRules=[1]), "Never", 0)
