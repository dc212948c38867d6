"""Where a sidecar stands that an earlier review has converted, once another webhook has added init containers.

The place of the webhook among the others must not count: the end state is a function of the pod.
"""

from __future__ import annotations

import copy
import json
from itertools import permutations
from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio, inject_istio_native, inject_linkerd
from tests.support.pods import ABLE_CLUSTER, admitted
from tests.support.task_pods import CLOUD_SQL, FLUENT_BIT, GIT_SYNC, USER_INIT, after_conversion, annotated, inits_of, status_of, task_pod
from webhook.core import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

SECRETS: Final = {"name": "vault-secrets", "mountPath": "/vault/secrets"}
FILES: Final = {"name": "files", "mountPath": "/files"}
BIG: Final = {"requests": {"cpu": "700m"}}
CREDENTIALS: Final = {**CLOUD_SQL, "args": ["--quitquitquit", "--credentials-file=/vault/secrets/sa.json", "p:r:i"]}


def adding(pod: JSONObject, init: JSONObject, mount: JSONObject, *containers: JSONObject) -> JSONObject:
    """The pod with a volume mounted everywhere, an init container that writes into it as the last one, and these containers."""
    after = copy.deepcopy(pod)
    spec = after["spec"]
    if any(one["name"] == init["name"] for one in spec.get("initContainers", ())):
        return after
    spec["volumes"] = [*(spec.get("volumes") or ()), {"name": mount["name"], "emptyDir": {}}]
    for one in (*spec["containers"], *spec.get("initContainers", ())):
        one["volumeMounts"] = [*(one.get("volumeMounts") or ()), dict(mount)]
    spec["initContainers"] = [*(spec.get("initContainers") or ()), {**init, "volumeMounts": [dict(mount)]}]
    spec["containers"] += [{**one, "volumeMounts": [dict(mount)]} for one in containers]
    return after


def inject_files(pod: JSONObject) -> JSONObject:
    """An injector whose init container copies files for all containers, as those of Conjur, 1Password and Bank-Vaults do."""
    return adding(pod, {"name": "copy-files", "image": "registry.example.com/files:1"}, FILES)


def inject_agent(pod: JSONObject) -> JSONObject:
    """Vault's, as its source has it (vault-k8s agent-inject/agent/agent.go Patch): its volume in the init containers, too."""
    agent = {"name": "vault-agent", "image": "hashicorp/vault:1.20.0", "args": ["agent"]}
    after = adding(pod, agent | {"name": "vault-agent-init"}, SECRETS, agent)
    return annotated(after, {"vault.hashicorp.com/agent-inject-status": "injected"})


def orders(pod: JSONObject, injectors: Sequence[Injector], policy: Policy) -> list[JSONObject]:
    """The end states with the webhook at each place among these injectors, and once more after all of them."""
    found = []
    for place in range(len(injectors) + 1):
        after = copy.deepcopy(pod)
        for number, inject in enumerate(injectors):
            after = inject(admitted(after, policy, ABLE_CLUSTER)[1] if number == place else after)
        found.append(after_conversion(after, policy))
    return found


@pytest.mark.parametrize(
    "injectors", [*permutations((inject_files, inject_agent, inject_istio), 2), (inject_agent, inject_files, inject_linkerd)]
)
@pytest.mark.parametrize(
    "inits", [(), (USER_INIT, {"name": "git-sync-init", "image": "registry.k8s.io/git-sync/git-sync:v4.4.2"})], ids=len
)
def test_the_place_of_the_webhook_among_the_others_does_not_count(
    inits: tuple[JSONObject, ...], injectors: Sequence[Injector], policy: Policy
) -> None:
    pod = task_pod(CREDENTIALS, FLUENT_BIT, GIT_SYNC, inits=inits, annotations={"linkerd.io/inject": "enabled"})
    *earlier, last = orders(pod, injectors, policy)

    for one in earlier:
        assert inits_of(one) == inits_of(last)
        assert status_of(one) == status_of(last)


def test_a_sidecar_that_reads_what_vault_fetches_starts_after_that_also_where_the_webhook_is_called_first(policy: Policy) -> None:
    first, last = orders(task_pod(CREDENTIALS), [inject_agent], policy)

    assert inits_of(first) == inits_of(last) == ["vault-agent-init", "database", "vault-agent"]


def test_a_sidecar_that_needs_none_of_what_is_added_keeps_its_place(policy: Policy) -> None:
    first = after_conversion(task_pod(FLUENT_BIT, inits=(USER_INIT,)), policy)
    first["spec"]["initContainers"].append({"name": "later", "image": "busybox"})

    assert inits_of(after_conversion(first, policy)) == ["logs", "prepare", "later"]


def test_an_init_container_that_is_added_later_does_not_raise_the_pods_requests(policy: Policy) -> None:
    """Vault's injector with agent-pre-populate-only, its requests, and a LimitRange of type Pod."""
    pod = task_pod({**FLUENT_BIT, "resources": {"requests": {"cpu": "500m"}}})
    first = after_conversion(pod, policy)
    first["spec"]["initContainers"].append({"name": "vault-agent-init", "image": "hashicorp/vault:1.20.0", "resources": BIG})

    assert inits_of(after_conversion(first, policy)) == ["vault-agent-init", "logs"]


def test_a_sidecar_that_its_user_wrote_as_a_native_one_keeps_its_place(policy: Policy) -> None:
    first = after_conversion(task_pod(inits=({**FLUENT_BIT, "restartPolicy": "Always"}, USER_INIT)), policy)
    after = after_conversion(inject_agent(first), policy)

    assert inits_of(after) == ["logs", "prepare", "vault-agent-init", "vault-agent"]
    assert status_of(after)["converted"] == ["vault-agent"]


@pytest.mark.parametrize("inject", [inject_istio, inject_istio_native])
def test_a_mesh_proxy_keeps_its_place_since_what_stands_behind_its_init_container_needs_it(inject: Injector, policy: Policy) -> None:
    first = after_conversion(inject(task_pod(inits=(USER_INIT,))), policy)
    first["spec"]["initContainers"].append({"name": "later", "image": "busybox", "resources": BIG})
    after = after_conversion(first, policy)

    assert inits_of(after) == ["istio-init", "istio-proxy", "prepare", "later"]
    assert "converted" not in status_of(after)


def test_a_sidecar_that_has_lost_its_mark_is_placed_anew_as_well(policy: Policy) -> None:
    first = inject_agent(after_conversion(task_pod(CREDENTIALS), policy))
    del first["spec"]["initContainers"][0]["restartPolicy"]
    after = after_conversion(first, policy)

    assert inits_of(after) == ["vault-agent-init", "database", "vault-agent"]
    assert (status_of(after)["converted"], status_of(after)["restored"]) == (["database", "vault-agent"], ["database"])


@pytest.mark.parametrize("names_", [["prepare"], ["base"], ["nobody"], ["vault-agent-init"]], ids=str)
def test_a_status_that_names_others_moves_none_of_them(names_: list[str], policy: Policy) -> None:
    status = {"treatment": "native", "reason": "sidecars-native", "converted": names_}
    pod = inject_agent(annotated(task_pod(inits=(USER_INIT,)), {names.STATUS_ANNOTATION: json.dumps(status)}))

    assert inits_of(after_conversion(pod, policy)) == ["prepare", "vault-agent-init", "vault-agent"]


def test_with_no_regular_sidecar_left_what_was_converted_is_placed_anew(policy: Policy) -> None:
    after = after_conversion(inject_files(after_conversion(task_pod(CREDENTIALS), policy)), policy)

    assert inits_of(after) == ["copy-files", "database"]
    assert admitted(after, policy, ABLE_CLUSTER)[0].operations == ()
