"""The oracle of the Pod Security Standard "restricted" refuses each violation."""

from __future__ import annotations

import pytest

from tests.support.oracles.pod_security import violations_of_restricted
from tests.support.valid_pod import NATIVE, POD, REMOVED, changed

UNRESTRICTED: dict[str, tuple[str, object, str]] = {
    "must not escalate": (
        "allowPrivilegeEscalation",
        REMOVED,
        'container "vault-agent" must set securityContext.allowPrivilegeEscalation=false',
    ),
    "drops all capabilities": (
        "capabilities/drop",
        ["NET_RAW"],
        'container "vault-agent" must set securityContext.capabilities.drop=["ALL"]',
    ),
    "adds one capability at most": (
        "capabilities/add/-",
        "CHOWN",
        'container "vault-agent" must not include "CHOWN" in securityContext.capabilities.add',
    ),
    "runs as non-root": (
        "runAsNonRoot",
        False,
        'pod or container "vault-agent" must set securityContext.runAsNonRoot=true',
    ),
    "has no uid 0": ("runAsUser", 0, 'pod or container "vault-agent" must not set runAsUser=0'),
    "has a seccomp profile": (
        "seccompProfile/type",
        "Unconfined",
        ('pod or container "vault-agent" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'),
    ),
}


def test_the_good_container_keeps_to_the_restricted_standard() -> None:
    assert violations_of_restricted(POD, ["vault-agent"]) == []


@pytest.mark.parametrize(("path", "value", "violation"), UNRESTRICTED.values(), ids=UNRESTRICTED.keys())
def test_a_restricted_container(path: str, value: object, violation: str) -> None:
    pod = changed(POD, f"{NATIVE}/securityContext/{path}", value)

    assert violations_of_restricted(pod, ["vault-agent"]) == [violation]


def test_a_container_takes_uid_and_profile_from_the_pod_unless_it_has_its_own() -> None:
    pod_level = {"runAsNonRoot": True, "runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}}
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = changed(changed(POD, "/spec/securityContext", pod_level), f"{NATIVE}/securityContext", own)
    with_uid = changed(pod, f"{NATIVE}/securityContext/runAsUser", 1337)

    violations = violations_of_restricted(pod, ["vault-agent"])
    assert violations == ['pod or container "vault-agent" must not set runAsUser=0']
    assert violations_of_restricted(with_uid, ["vault-agent"]) == []


def test_a_restricted_container_mounts_no_host_path() -> None:
    pod = changed(POD, "/spec/volumes/0", {"name": "scratch", "hostPath": {"path": "/"}})

    violations = violations_of_restricted(pod, ["vault-agent"])
    assert violations == ['volume "scratch" uses restricted volume type "hostPath"']


def test_only_the_named_containers_are_held_to_the_restricted_standard() -> None:
    assert violations_of_restricted(POD, ["base", "vault-agent"]) == (violations_of_restricted(POD, ["base"]))
    assert violations_of_restricted(POD, []) == []
    with pytest.raises(KeyError):
        violations_of_restricted(POD, ["absent"])
