"""Which container of a pod holds the task: what the user, Airflow or an earlier review of the webhook says, and never the order.

Injectors put containers before the task's (JuiceFS, Fluid, Bank-Vaults), so that the first unknown container says nothing. Where nothing
says more, the task's container stays unknown: a sidecar that was wrapped as the task would end the others while the task runs.

=========================================  ============================================================================
source, the first that applies             why it counts
=========================================  ============================================================================
annotation ``main-container``              the user names it
name ``base``                              Airflow names it so, unless somebody sets another name
the wrapper                                the webhook has wrapped it before
what Airflow sets in this container only   the XCom volume, a variable, a name: see `AIRFLOW_MARKS`
the only container that may be a task      the others are known, and run on
the status of an earlier review            it was written before a later injector added containers
=========================================  ============================================================================

``kubectl.kubernetes.io/default-container`` does not count: Airflow does not set it, and Istio sets it to whichever container is first.
A status that somebody copied from another pod can name a wrong container only where the user could have named it by the annotation.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core.earlier_status import read_earlier_status
from webhook.core.names import BASE_CONTAINER, MAIN_CONTAINER_ANNOTATION, OUTLIVES_TASK_ANNOTATION, XCOM_CONTAINER
from webhook.core.origin import PodOrigin, pod_origin
from webhook.core.pod_options import InvalidAnnotation
from webhook.core.wrapper import is_wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.core.pod import Container, Pod
    from webhook.core.pod_options import PodOptions
    from webhook.core.sidecar import Sidecar

NAMES_BY_ORIGIN: Final = MappingProxyType(
    {
        PodOrigin.SPARK: frozenset({"spark-kubernetes-driver", "spark-kubernetes-executor"}),
        PodOrigin.CHART_JOB: frozenset(
            {
                *("run-airflow-migrations", "create-user", "airflow-cleanup-pods", "database-cleanup"),
                *("db-migrations", "sync-airflow-connections", "sync-airflow-dags", "sync-airflow-pools", "sync-airflow-roles"),
                *("sync-airflow-users", "sync-airflow-variables"),
                *("create-connections", "create-pools", "create-users", "create-variables", "upgrade-db"),
            }
        ),
    }
)
"""What the container is called where it is not `BASE_CONTAINER`: by Spark (Constants.scala DEFAULT_DRIVER_CONTAINER_NAME,
DEFAULT_EXECUTOR_CONTAINER_NAME), and by the jobs of Airflow's chart and of the community's."""

XCOM_VOLUME: Final = "xcom"
XCOM_MOUNT_PATH: Final = "/airflow/xcom"
"""The operator mounts it into the task's container and its own sidecar (provider cncf.kubernetes, utils/xcom_sidecar.py)."""

AIRFLOW_VARIABLES: Final = frozenset({"AIRFLOW_IS_K8S_EXECUTOR_POD", "__PYTHON_SCRIPT"})
"""Variables that Airflow adds to the task's container: the executor (pod_generator.py construct_pod), and ``@task.kubernetes``
(provider cncf.kubernetes, decorators/kubernetes.py)."""


class TaskContainers(msgspec.Struct, frozen=True):
    """The containers of a pod that do its work.

    Args:
        main: Index of the task's in ``spec.containers``; None: it could not be identified.
        outlasting: Names of those that work on after the task and then end, as the user says.
        others: Names of all other containers that are not known. Where ``main`` is None one of them is the task's, if there are any.
        invalid: Annotations that name a container that cannot be this.

    """

    main: int | None
    outlasting: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    invalid: tuple[InvalidAnnotation, ...] = ()


def find_task_containers(pod: Pod, options: PodOptions, rows: dict[str, Sidecar]) -> TaskContainers:
    """Find them; ``rows`` are those of the known sidecars, by the container's name."""
    order = pod.spec.container_names
    possible = [container for container in pod.spec.containers if _is_possible(pod, container, rows.get(container.name))]
    names = [container.name for container in possible]
    wanted = options.main_container
    is_valid = wanted is None or wanted in names or _may_be_named(rows.get(wanted), options)
    invalid = [] if is_valid else [InvalidAnnotation(MAIN_CONTAINER_ANNOTATION, f"one of {', '.join(names)}")]
    named = wanted if is_valid else None
    outlasting: tuple[str, ...] = ()
    if options.outlives_task:
        outlasting, more = _outlasting(names, options.outlives_task, named)
        possible = [container for container in possible if container.name not in outlasting]
        names = [container.name for container in possible]
        invalid += more
    found = named or (BASE_CONTAINER if BASE_CONTAINER in names else _main_of(pod, possible, rows))
    others = tuple([name for name in names if name not in rows and name != found])
    return TaskContainers(None if found is None else order.index(found), outlasting, others, tuple(invalid))


def _may_be_named(row: Sidecar | None, options: PodOptions) -> bool:
    """Whether a known container may be named as the task: one that the user describes, or of a known image; no injected one."""
    return row is not None and (row in options.sidecars or row.has_any_name)


def _outlasting(names: list[str], wanted: frozenset[str], main: str | None) -> tuple[tuple[str, ...], tuple[InvalidAnnotation, ...]]:
    """The unknown containers that the user names, and the annotation where one of its names is none of them: one must be the task's."""
    possible = [name for name in names if name not in {BASE_CONTAINER, main}]
    found = tuple([name for name in possible if name in wanted])
    if main is None and len(found) == len(names):
        found = ()
    if len(found) == len(wanted):
        return found, ()
    return found, (InvalidAnnotation(OUTLIVES_TASK_ANNOTATION, f"unknown containers beside the task's: {', '.join(possible)}"),)


def _main_of(pod: Pod, possible: list[Container], rows: dict[str, Sidecar]) -> str | None:
    """The one that is identified; None: none is. A container of a sidecar's own image is the task only where a mark says so.

    In a wrapped container the flag that shows that it does its work once may be behind the words that are read.
    """
    names = [container.name for container in possible]
    known = [name for name, row in rows.items() if row.has_any_name and name not in names]
    markable = [container for container in pod.spec.containers if container.name in (*names, *known) or _has_wrapper(pod, container)]
    for mark in MARKS:
        marked = [container.name for container in markable if mark(pod, container)]
        if len(marked) == 1:
            return marked[0]
    if len(names) == 1:
        return names[0]
    recorded = read_earlier_status(pod.annotations).main
    return recorded if recorded in names else None


def _is_possible(pod: Pod, container: Container, row: Sidecar | None) -> bool:
    """Whether a container may be the task's: one that is not known, or a known one that does its work once and ends, as a task does."""
    return container.name != XCOM_CONTAINER and (row is None or row.is_one_time(pod, container))


def _has_wrapper(_pod: Pod, container: Container) -> bool:
    return is_wrapped(container.command, container.args)


def _has_xcom_volume(pod: Pod, container: Container) -> bool:
    return XCOM_CONTAINER in pod.spec.container_names and any(
        mount.name == XCOM_VOLUME and mount.mountPath == XCOM_MOUNT_PATH for mount in container.mounts
    )


def _has_airflow_variable(_pod: Pod, container: Container) -> bool:
    return not AIRFLOW_VARIABLES.isdisjoint(container.environment)


def _has_airflow_name(pod: Pod, container: Container) -> bool:
    origin = pod_origin(pod)
    return origin is not None and container.name in NAMES_BY_ORIGIN.get(origin, ())


AIRFLOW_MARKS: Final[tuple[Callable[[Pod, Container], bool], ...]] = (_has_xcom_volume, _has_airflow_variable, _has_airflow_name)
"""What Airflow itself does to the task's container. A mark that two containers have says nothing."""

MARKS: Final = (_has_wrapper, *AIRFLOW_MARKS)
