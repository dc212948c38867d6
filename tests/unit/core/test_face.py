"""The public face of the rules: its tour works, it is complete, and importing it brings no framework."""

from __future__ import annotations

import doctest
import subprocess
import sys
from types import ModuleType

import pytest

import webhook.core
from demo.simulated_injectors import inject_istio
from tests.support.pods import load
from webhook.core import UNKNOWN_CLUSTER, default_policy, may_stay_running, read_progress, treat

FRAMEWORKS = ("pydantic", "fastapi", "kubernetes", "prometheus_client", "cryptography")


def test_the_tour_in_the_docstring_runs_as_it_says() -> None:
    result = doctest.testmod(webhook.core)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_every_public_name_is_listed_and_every_listed_name_is_there() -> None:
    public = {name for name, value in vars(webhook.core).items() if name[0] != "_" and not isinstance(value, ModuleType)}
    assert public - {"annotations"} == set(webhook.core.__all__)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_rules_are_used_without(framework: str) -> None:
    """A consumer such as Airflow's own process has none of them, or another version."""
    program = f"import sys; sys.modules[{framework!r}] = None; import webhook.core; webhook.core.default_policy()"
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).stderr == b""


def test_a_pod_that_was_treated_is_taken_as_it_is_in_memory() -> None:
    """The wrapper in it is a text that is put into JSON once, for all pods."""
    states = [{"name": "base", "state": {"terminated": {"exitCode": 0}}}, {"name": "istio-proxy", "state": {"running": {}}}]
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_default.json")) | {
        "status": {"phase": "Running", "containerStatuses": states}
    }
    policy = default_policy()
    outcome = treat(pod, policy, UNKNOWN_CLUSTER)
    treated = outcome.patched(pod)
    progress = read_progress(treated, policy.catalogue)

    assert (outcome.result, treat(treated, policy, UNKNOWN_CLUSTER).result) == ("wrapped", "unchanged")
    assert progress is not None
    assert [one.name for one in progress.unfinished] == ["istio-proxy"]
    assert may_stay_running(treated, policy.catalogue)
