"""SIMULATED kubelet: what a node makes of a pod, as far as a webhook like this one could spoil it.

It runs the init containers in their order, each to its end unless it is a native sidecar, then starts the regular containers in theirs; a
postStart hook holds up every container behind its own (kubelet kuberuntime_manager.go, SyncPod). It hands each container its argv, with
``$(VAR)`` expanded, and follows the wrapper to the program that it becomes, by reading its options as ``webhook/data/wrapper.sh`` does.

It cannot show: time (a probe or a hook that fails because the task starts seconds later), what a program does, memory and CPU, signals,
exit codes, how a pod ends. A sidecar that runs is ready at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.support.oracles.kubelet_expansion import container_argv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.json_object import JSONObject

WRAPPER_MARK: Final = "airflow-sidecar-webhook"
HELPER: Final = "airflow-sidecar-webhook-helper"
HELPER_SHELL: Final = "/airflow-sidecar-webhook/busybox"
SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "busybox"})

OPTION_VALUES: Final = {"--wait-seconds": 1, "--when-not-ready": 1, "--quit": 1, "--entrypoint-source": 1, "--busybox": 1, "--sidecar": 4}
"""The options of the wrapper and the number of their values; ``--try-entrypoint`` ends with ``--end-try``."""

WAITS_FOR_TASK: Final = {"exec": {"command": ["sh", "-c", "until curl -sf http://127.0.0.1:8080/warm; do sleep 1; done"]}}
"""A hook that ends once the program of its own container runs; the one of ``tests/cases/task-hook.yaml``."""


@dataclass(frozen=True)
class SimulatedImage:
    """An image's configuration, and whether ``/bin/sh`` is in it."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    has_shell: bool = True


AIRFLOW: Final = SimulatedImage(("/usr/bin/dumb-init", "--", "/entrypoint"))
IMAGES: Final = {
    "apache/airflow": AIRFLOW,
    "oci.stackable.tech/sdp/airflow": SimulatedImage(("/usr/bin/tini", "--", "/run-airflow.sh")),
    "registry.example.com/data/airflow-with-secrets": SimulatedImage(("/export-secrets", *AIRFLOW.entrypoint)),
    "registry.example.com/team/airflow-custom": SimulatedImage(("/usr/bin/dumb-init", "--", "/team-entrypoint")),
    "registry.example.com/etl": SimulatedImage(("/etl",), ("--help",), has_shell=False),
    "hello-world": SimulatedImage((), ("/hello",), has_shell=False),
    "perl": SimulatedImage((), ("perl5.38.0",)),
    "python": SimulatedImage((), ("python3",)),
}
"""What is in the images of the tasks; any other one has nothing but a program of its own."""

OTHER_IMAGE: Final = SimulatedImage(("/app",), (), has_shell=False)


def image_of(container: JSONObject) -> SimulatedImage:
    """The configuration of a container's image."""
    name = str(container.get("image")).partition("@")[0]
    return IMAGES.get(name.rpartition(":")[0] or name, OTHER_IMAGE)


@dataclass(frozen=True)
class SimulatedNode:
    """The node of the pod.

    Args:
        system: Its operating system.
        is_virtual: Whether it is a virtual one, which knows no native sidecars.

    """

    system: str = "linux"
    is_virtual: bool = False


@dataclass(frozen=True)
class Wrapper:
    """The wrapper in a container's argv.

    Args:
        shell: The words that start its shell.
        waited_for: Names of the containers that it waits for.
        requested: Names of the containers that it sends a quit request or waits for.
        guesses: Whether it searches the image for an entrypoint.
        argv: What it becomes, with the words that stand before it.

    """

    shell: tuple[str, ...]
    waited_for: frozenset[str]
    requested: frozenset[str]
    guesses: bool
    argv: tuple[str, ...]


@dataclass(frozen=True)
class TaskRun:
    """What runs of a pod.

    Args:
        argv: The task's program; None: it never runs.
        problem: Why it does not; "" where it does.
        started: All containers that start, in their order.
        environment: The task's environment.
        wrapper: The task's wrapper; None: it has none.

    """

    argv: tuple[str, ...] | None
    problem: str = ""
    started: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    wrapper: Wrapper | None = None


@dataclass(frozen=True)
class PodTruth:
    """What is true of a pod and cannot be read from it.

    Args:
        task: The task's container.
        node: Where the pod runs.
        never_end: Names of containers whose program never ends by itself.
        need_network: Names of init containers that end only with the network.

    """

    task: str
    node: SimulatedNode = SimulatedNode()
    never_end: frozenset[str] = frozenset()
    need_network: frozenset[str] = frozenset()


REDIRECTS: Final = {"istio-init": "istio-proxy", "linkerd-init": "linkerd-proxy"}
"""Init containers behind which the network needs a proxy."""


def run(pod: JSONObject, truth: PodTruth) -> TaskRun:
    """Run a valid pod."""
    started: list[str] = []
    redirected_to: str | None = None
    native: set[str] = set()
    for init in pod["spec"].get("initContainers") or ():
        name = init["name"]
        if not written_before(init, pod, started):
            return TaskRun(None, f"the init container {name} cannot be created: a file with its variables is not there", tuple(started))
        started.append(name)
        if init.get("restartPolicy") == "Always" and not truth.node.is_virtual:
            if (init.get("lifecycle") or {}).get("postStart") == WAITS_FOR_TASK:
                return TaskRun(None, f"{name} waits for the task in its hook", tuple(started))
            native.add(name)
        elif name in truth.never_end:
            return TaskRun(None, f"the init container {name} never ends", tuple(started))
        elif name in truth.need_network and redirected_to not in {None, *native}:
            return TaskRun(None, f"the init container {name} has no network", tuple(started))
        redirected_to = REDIRECTS.get(name, redirected_to)
    return _run_regular(pod, truth, started)


def written_before(container: JSONObject, pod: JSONObject, started: Sequence[str]) -> bool:
    """Whether an init container that mounts it has started, for each volume with a file of this container's variables (fileKeyRef)."""
    sources = [(one.get("valueFrom") or {}).get("fileKeyRef") for one in container.get("env") or ()]
    mounted = {mount["name"] for one in pod["spec"]["initContainers"] if one["name"] in started for mount in one.get("volumeMounts") or ()}
    return {source["volumeName"] for source in sources if source} <= mounted


def _run_regular(pod: JSONObject, truth: PodTruth, started: list[str]) -> TaskRun:
    order = [one["name"] for one in pod["spec"]["containers"]]
    task = next((one for one in pod["spec"]["containers"] if one["name"] == truth.task), None)
    if task is None:
        return TaskRun(None, f"no regular container is called {truth.task}", tuple(started))
    environment = environment_of(task)
    argv = argv_of(task, environment)
    if not argv:
        return TaskRun(None, "no command", tuple(started))
    wrapper = find_wrapper(argv)
    problem = "" if wrapper is None else _problem_of(wrapper, pod, task, truth)
    if problem:
        return TaskRun(None, problem, (*started, *order), environment, wrapper)
    return TaskRun(argv if wrapper is None else wrapper.argv, "", (*started, *order), environment, wrapper)


def environment_of(container: JSONObject) -> dict[str, str]:
    """Its literal environment; a variable from elsewhere has its own name as the value."""
    return {one["name"]: one.get("value") or ("" if "value" in one else one["name"]) for one in container.get("env") or ()}


def argv_of(container: JSONObject, environment: Mapping[str, str]) -> tuple[str, ...]:
    """What the runtime starts: the image adds what the pod does not say."""
    words = container_argv(container, environment)
    if container.get("command"):
        return tuple(words)
    image = image_of(container)
    return (*image.entrypoint, *(words or image.cmd))


def find_wrapper(argv: Sequence[str]) -> Wrapper | None:
    """The wrapper in an argv, behind the words of a program that starts another."""
    for mark, word in enumerate(argv):
        if word == WRAPPER_MARK and mark > 2 and argv[mark - 2] == "-c" and "asw_script=" in argv[mark - 1]:
            has_two_words = mark > 3 and argv[mark - 4].endswith(("busybox", "bash")) and argv[mark - 3] in {"sh", "--posix"}
            start = mark - 4 if has_two_words else mark - 3
            return _read_wrapper(argv, start, mark)
    return None


def _read_wrapper(argv: Sequence[str], start: int, mark: int) -> Wrapper:
    place, sidecars, guesses = mark + 1, [], False
    while argv[place] != "--":
        option = argv[place]
        if option == "--try-entrypoint":
            guesses, place = True, argv.index("--end-try", place) + 1
            continue
        values = argv[place + 1 : place + 1 + OPTION_VALUES[option]]
        if option == "--sidecar":
            sidecars.append(values)
        place += 1 + len(values)
    return Wrapper(
        shell=tuple(argv[start : mark - 2]),
        waited_for=frozenset(name for name, ready, _alive, _quit in sidecars if ready != "-"),
        requested=frozenset(name for name, *_endpoints in sidecars),
        guesses=guesses,
        argv=(*argv[:start], *argv[place + 1 :]),
    )


def _problem_of(wrapper: Wrapper, pod: JSONObject, task: JSONObject, truth: PodTruth) -> str:
    return next(_problems_of(wrapper, pod, task, truth), "")


def _problems_of(wrapper: Wrapper, pod: JSONObject, task: JSONObject, truth: PodTruth) -> Iterator[str]:
    """Why the wrapper never starts the task."""
    if truth.node.system != "linux":
        yield f"the wrapper does not run on {truth.node.system}"
    if not _has_shell(wrapper, pod, task):
        yield f"the image has no {wrapper.shell[0]}"
    if find_wrapper(wrapper.argv) is not None:
        yield "the wrapper starts a second wrapper"
    if wrapper.guesses:
        yield "the wrapper guesses the image's entrypoint"
    order = [one["name"] for one in pod["spec"]["containers"]]
    for name in sorted(wrapper.waited_for):
        if name not in order:
            yield f"the wrapper waits for {name}, which is no regular container"
        elif (task.get("lifecycle") or {}).get("postStart") == WAITS_FOR_TASK and order.index(name) > order.index(truth.task):
            yield f"the wrapper waits for {name}, which starts only after the task's hook, which waits for the task"


def _has_shell(wrapper: Wrapper, pod: JSONObject, task: JSONObject) -> bool:
    if wrapper.shell[0] == HELPER_SHELL:
        inits = {one["name"] for one in pod["spec"].get("initContainers") or ()}
        mounts = {one["mountPath"]: one["name"] for one in task.get("volumeMounts") or ()}
        return HELPER in inits and mounts.get(HELPER_SHELL.rpartition("/")[0]) == WRAPPER_MARK
    # A program that the command itself starts with is there, since the pod runs without the wrapper.
    own = wrapper.argv[0].rpartition("/")[2] if wrapper.argv else ""
    return image_of(task).has_shell or (wrapper.shell[0] == wrapper.argv[0] and own in SHELLS)
