"""The chart's reaper in a cluster, with the image and the rights that it has there: as a CronJob, then as a Deployment, each in both modes."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from demo.stand_in_istio_agent import Behaviour
from manifests.rendering import NAME
from testbed.wait import until
from tests.e2e.installation.installation import PODS, SECONDS
from tests.e2e.node.left_pods import LABEL_ONLY, RAN
from tests.e2e.node.namespace import ENDED, namespace_on
from tests.e2e.node.out_of_memory import out_of_memory_pod
from tests.e2e.node.pods import ONCE_READY, executor_pod, shell, stand_in_proxy
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.installation.installation import Installation
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject

REAPER: Final = f"{NAME}-reaper"
DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/{NAME}/deployments/{REAPER}"
LEASE: Final = f"/apis/coordination.k8s.io/v1/namespaces/{NAME}/leases/{REAPER}"
JOBS: Final = f"/apis/batch/v1/namespaces/{NAME}/jobs"

RELEASE: Final[JSONObject] = {"replicas": 1, "drainSeconds": 0, "settings": {"native_sidecars": "off"}}
"""A webhook that wraps tasks, whose wrapper the kernel can take."""

ON_NEW_YEARS_DAY: Final = "0 0 1 1 *"
"""The schedule of a CronJob whose Jobs the tests create."""

GRACE_SECONDS: Final = 2

CASES: Final = {"succeeds": (0, Behaviour.AS_ISTIO), "fails": (3, Behaviour.QUIT_FAILS)}
"""The exit code of a task, and what its sidecar does; the second pod ends by its deadline, under the chart's policy."""

KINDS: Final = ("cron-job", "deployment")
PHASES: Final = {"succeeds": "Succeeded", "fails": "Failed"}
AT_WORK: Final = "uploads"


class JobPass(NamedTuple):
    """A Job: what it printed, its condition, and the phases and Events of the pods after it."""

    report: str
    condition: str
    phases: dict[str, str]
    events: set[tuple[str, str]]


class WatchCourse(NamedTuple):
    """The Deployment: its Events on each pod while it observed, and the phases of the pods then; and those after it has acted."""

    events: set[tuple[str, str]]
    observed: dict[str, str]
    phases: dict[str, str]


@pytest.fixture(scope="module")
def tasks(installation: Installation) -> Iterator[PodNamespace]:
    """A namespace that opted in."""
    with namespace_on(installation.level, "reaped") as namespace:
        yield namespace


@pytest.fixture(scope="module")
def installed(installation: Installation, tasks: PodNamespace) -> Iterator[Installation]:
    """The webhook, without the reaper."""
    with installation.installed(**RELEASE):
        until(lambda: installation.patches(tasks.name), "pods are patched", SECONDS)
        yield installation


@pytest.fixture(scope="module")
def left(installed: Installation, tasks: PodNamespace, task_image: str, agent_image: str) -> Iterator[PodNamespace]:
    """The namespace with the pods for the CronJob, and with one in which a container works on after the task."""
    del installed
    uploader = {"name": "uploader", **shell(task_image, "sleep 3600")}
    tasks.create(
        executor_pod(tasks.name, AT_WORK, shell(task_image, "exit 1"), stand_in_proxy(agent_image), uploader, annotations=LABEL_ONLY)
    )
    leave(tasks, "cron-job", task_image, agent_image)
    yield tasks
    tasks.delete(AT_WORK, 0)


def leave(tasks: PodNamespace, kind: str, task_image: str, agent_image: str) -> None:
    """Create pods that stay Running, and wait until each task has ended."""
    tasks.create(*[left_pod(tasks.name, f"{kind}-{case}", task_image, agent_image, *CASES[case]) for case in CASES])
    until(lambda: all(base_state(tasks, name) for name in phases(tasks)), "every task has ended", SECONDS)


def left_pod(namespace: str, name: str, task_image: str, agent_image: str, code: int, behaviour: Behaviour) -> JSONObject:
    """A pod whose sidecar nothing in it ends. The deadline ends its containers by SIGKILL after a second."""
    base = shell(task_image, f"{ONCE_READY}; echo the task ran; exit {code}")
    pod = executor_pod(namespace, name, base, stand_in_proxy(agent_image, behaviour), annotations=LABEL_ONLY)
    pod["spec"]["terminationGracePeriodSeconds"] = 1
    return pod


def phases(tasks: PodNamespace) -> dict[str, str]:
    """The phase of each pod now."""
    pods = tasks.level.api.get(f"/api/v1/namespaces/{tasks.name}/pods")["items"]
    return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in pods}


def base_state(tasks: PodNamespace, name: str) -> JSONObject:
    """How ``base`` ended; empty: it has not. Not by the recorder, whose watch ends when another file's tests restart the API server."""
    statuses = tasks.pod(name)["status"].get("containerStatuses", ())
    return next((one["state"].get("terminated", {}) for one in statuses if one["name"] == "base"), {})


def deploy(installed: Installation, tasks: PodNamespace, **reaper: object) -> None:
    """Upgrade the release to one with this reaper. RenderingError."""
    values = {"enabled": True, "namespaces": [tasks.name], "graceSeconds": 0, "schedule": ON_NEW_YEARS_DAY, **reaper}
    installed.helm("upgrade", **RELEASE, reaper=values)


@pytest.fixture(scope="module")
def passes(installed: Installation, left: PodNamespace) -> dict[str, JobPass]:
    """A pass of the CronJob in each mode."""
    return {mode: run_pass(installed, left, mode) for mode in ("observe", "act")}


def run_pass(installed: Installation, tasks: PodNamespace, mode: str) -> JobPass:
    """Deploy the CronJob, and create a Job from it."""
    deploy(installed, tasks, kind="CronJob", mode=mode)
    installed.kubectl("--namespace", NAME, "create", "job", mode, f"--from=cronjob/{REAPER}")
    condition = until(lambda: finished(installed, mode), f"the Job {mode} has finished", SECONDS)
    reported = {(pod, reason) for pod, reason in events(tasks) if pod.startswith("cron-job-")}
    return JobPass(installed.kubectl("--namespace", NAME, "logs", f"job/{mode}"), condition, phases(tasks), reported)


def finished(installed: Installation, job: str) -> str:
    """The condition of a Job that has finished; empty: it has not."""
    conditions = installed.level.api.get(f"{JOBS}/{job}")["status"].get("conditions", ())
    return next((one["type"] for one in conditions if one["type"] in {"Complete", "Failed"} and one["status"] == "True"), "")


@pytest.fixture(scope="module")
def watch(passes: dict[str, JobPass], installed: Installation, left: PodNamespace, task_image: str, agent_image: str) -> WatchCourse:
    """The Deployment instead of the CronJob, in each mode."""
    del passes
    due = {f"deployment-{case}" for case in CASES}
    deploy(installed, left, kind="Deployment", mode="observe", unmarked=True)
    with scaled_to_zero(installed, left):
        leave(left, "deployment", task_image, agent_image)
    until(lambda: {name for name, reason in events(left) if reason == "SidecarStuck"} >= due, "both pods have an Event", SECONDS)
    reported, observed = {one for one in events(left) if one[0] in due}, phases(left)
    deploy(installed, left, kind="Deployment", mode="act", unmarked=True, graceSeconds=GRACE_SECONDS)
    until(lambda: all(phases(left)[name] in ENDED for name in due), "both pods end", SECONDS)
    until(lambda: installed.is_rolled_out(DEPLOYMENT, 2), "both replicas are ready", SECONDS)
    return WatchCourse(reported, observed, phases(left))


@contextmanager
def scaled_to_zero(installed: Installation, tasks: PodNamespace) -> Iterator[None]:
    """Within this block no replica of the webhook answers, so pods start without its status."""
    scale = ("--namespace", NAME, "scale", "deployment", NAME)
    installed.kubectl(*scale, "--replicas=0")
    until(lambda: not installed.patches(tasks.name), "pods are not patched", SECONDS)
    yield
    installed.kubectl(*scale, "--replicas=1")
    until(lambda: installed.patches(tasks.name), "pods are patched again", SECONDS)


def events(tasks: PodNamespace) -> set[tuple[str, str]]:
    """Pod and reason of each Event of the reaper."""
    found = tasks.level.api.get(f"/api/v1/namespaces/{tasks.name}/events")["items"]
    return {(one["involvedObject"]["name"], one["reason"]) for one in found if one["source"].get("component") == REAPER}


def replicas(installed: Installation) -> list[str]:
    """The names of the reaper's pods."""
    names = [pod["metadata"]["name"] for pod in installed.pods()]
    return [name for name in names if name.startswith(f"{REAPER}-")]


def reaper_logs(installed: Installation) -> list[JSONObject]:
    """The lines of both replicas."""
    texts = [installed.level.api.request("GET", f"{PODS}/{name}/log").text for name in replicas(installed)]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_the_cron_job_says_what_it_would_do_in_observe_mode_and_does_it_in_act_mode(passes: dict[str, JobPass]) -> None:
    observe, act = passes["observe"], passes["act"]

    assert "due, and not acted on: 2; left to a person: 0" in observe.report
    assert set(observe.phases.values()) == {"Running"}
    assert "acted on: 2; left to a person: 0" in act.report
    assert {name: act.phases[f"cron-job-{name}"] for name in CASES} == PHASES
    assert (observe.condition, act.condition) == ("Complete", "Complete")


def test_each_pass_of_the_cron_job_writes_the_events_of_the_deployment(passes: dict[str, JobPass]) -> None:
    stuck = {(f"cron-job-{case}", "SidecarStuck") for case in CASES}
    done = {("cron-job-succeeds", "SidecarQuit"), ("cron-job-fails", "TaskPodDeadlineSet")}
    ended = {(f"cron-job-{case}", "TaskPodEnded") for case in CASES}
    assert (passes["observe"].events, passes["act"].events) == (stuck, stuck | done | ended)


def test_the_deployment_tells_what_it_would_do_in_observe_mode_and_does_it_in_act_mode(watch: WatchCourse, left: PodNamespace) -> None:
    assert {case: watch.observed[f"deployment-{case}"] for case in CASES} == dict.fromkeys(CASES, "Running")
    assert {reason for name, reason in watch.events} == {"SidecarStuck"}
    assert {case: watch.phases[f"deployment-{case}"] for case in CASES} == PHASES
    done = {("deployment-succeeds", "SidecarQuit"), ("deployment-fails", "TaskPodDeadlineSet")}
    ended = {(f"deployment-{case}", "TaskPodEnded") for case in CASES}
    until(lambda: events(left) >= done | ended, "each act and each end has an Event", SECONDS)


@pytest.mark.usefixtures("watch")
def test_the_deployment_has_ended_pods_that_were_created_while_the_webhook_was_scaled_to_zero(left: PodNamespace) -> None:
    marked = {
        f"{kind}-{case}": STATUS_ANNOTATION in left.pod(f"{kind}-{case}")["metadata"]["annotations"] for kind in KINDS for case in CASES
    }
    assert marked == {f"{kind}-{case}": kind == "cron-job" for kind in KINDS for case in CASES}


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_exit_code_of_the_task_and_its_log_stay(kind: str, case: str, left: PodNamespace) -> None:
    assert base_state(left, f"{kind}-{case}")["exitCode"] == CASES[case][0]
    assert left.log(f"{kind}-{case}") == RAN


def test_a_task_that_the_kernel_took_with_its_wrapper_ends_its_pod_and_one_of_two_replicas_acts_once(
    watch: WatchCourse, installed: Installation, left: PodNamespace, task_image: str, agent_image: str, measured: list[str]
) -> None:
    del watch
    left.create(out_of_memory_pod(left.name, "oom", task_image, agent_image))
    assert until(lambda: base_state(left, "oom"), "the task is out of memory", SECONDS)["reason"] == "OOMKilled"
    began = time.monotonic()
    until(lambda: phases(left)["oom"] in ENDED, "its pod ends", SECONDS)
    measured.append(
        f"{time.monotonic() - began:7.1f} s from a task's OOM to its pod's end by the chart's reaper, {GRACE_SECONDS} s of them grace"
    )

    assert phases(left)["oom"] == "Failed"
    assert json.loads(left.pod("oom")["metadata"]["annotations"][STATUS_ANNOTATION])["treatment"] == "wrapped"
    assert left.log("oom") == RAN
    until(lambda: ("oom", "TaskPodEnded") in events(left), "the end has an Event", SECONDS)
    acts = [(line["pod"], line["method"], line["outcome"]) for line in reaper_logs(installed) if line["event"] == "act"]
    accepted = [act for act in acts if act[2] == "accepted"]
    assert {pod for pod, _, _ in acts} == {"deployment-fails", "deployment-succeeds", "oom"}
    assert ("deployment-fails", "deadline", "accepted") in accepted
    assert len(accepted) == len(set(accepted))


@pytest.mark.usefixtures("watch")
def test_a_replica_holds_the_lease(installed: Installation) -> None:
    holder = installed.level.api.get(LEASE)["spec"]["holderIdentity"].partition("_")[0]
    assert holder in replicas(installed)


@pytest.mark.usefixtures("watch")
def test_a_pod_in_which_a_container_works_on_is_not_touched(left: PodNamespace) -> None:
    assert phases(left)[AT_WORK] == "Running"
    assert "POST" not in left.log(AT_WORK, "istio-proxy")
    # Once that has lasted for ten minutes a person gets to know it.
    assert {reason for pod, reason in events(left) if pod == AT_WORK} <= {"SidecarStuck"}
