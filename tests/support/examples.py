"""The examples of the sidecar catalogue: the second YAML document of each file in ``webhook/data/sidecars``, which the service never reads."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from webhook.core import ContainerEnd, NotConvertedReason

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

FOLDER: Final = Path(__file__).parents[2] / "webhook" / "data" / "sidecars"
FOREIGN_IMAGE: Final = "registry.example.com/team/foreign:1"
"""The image of a container of which the example names none: no row knows it."""

TASK_LABELS: Final = {"kubernetes_executor": "True", "dag_id": "sales", "task_id": "load"}
TASK_ANNOTATIONS: Final = {"dag_id": "sales", "task_id": "load"}
TASK_CONTAINER: Final = {
    "name": "base",
    "image": "apache/airflow:3.0.6",
    "args": ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string", "{}"],
}


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the webhook makes of the example. What is left out must not be there.

    Args:
        ready: The request that the task waits for, as ``GET :15021/healthz/ready``.
        alive: The request that shows whether a sidecar without an answer is slow or gone.
        quit: The request that ends the sidecar, as ``POST :15020/quitquitquit``.
        without_native: How the container ends on a cluster without native sidecars; None: it is not known, or the status does not list it.
        with_native: The same on a cluster with native sidecars.
        is_unknown: Whether nobody knows the container, so that it may keep the pod Running.
        not_converted: Why it stays a regular container there.
        init_containers: All init containers there, in order; left out: those of the example, and behind them the sidecar if it is native.
        annotations_without_native: The annotations that the webhook adds for the injector on a cluster without native sidecars.
        annotations_with_native: The same on a cluster with native sidecars.

    """

    ready: str | None = None
    alive: str | None = None
    quit: str | None = None
    without_native: ContainerEnd | None = None
    with_native: ContainerEnd | None = None
    is_unknown: bool = False
    not_converted: NotConvertedReason | None = None
    init_containers: tuple[str, ...] | None = None
    annotations_without_native: dict[str, str] = {}
    annotations_with_native: dict[str, str] = {}


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task pod of Airflow's with one container beside the task's, or with none before the injection.

    Args:
        row: The id of the row that identifies the container, or whose injector gets the annotations; None: no row does.
        name: What is special about it; unique in its row.
        about: What the golden pair shows. Every example that has it gets a pair.
        labels: The pod's labels beside Airflow's.
        annotations: The pod's annotations beside Airflow's.
        initContainers: As in a pod.
        containers: The regular containers. The task's own, ``base``, is the first one, unless it is listed; then it has these fields as well.
        volumes: As in a pod.
        expect: What the webhook makes of it.

    """

    row: str | None
    name: str
    expect: Expected = Expected()
    about: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    initContainers: tuple[dict[str, Any], ...] = ()  # noqa: N815  as in a pod
    containers: tuple[dict[str, Any], ...] = ()
    volumes: tuple[dict[str, Any], ...] = ()

    def __str__(self) -> str:
        """As the test's name shows it."""
        return f"{self.row or 'no-row'}: {self.name}"

    @property
    def pair_name(self) -> str:
        """The stem of its golden pair's file: the row's id for the row's main example, ``unknown`` for a container of no row."""
        return str(self.row) if self.name == MAIN else f"{self.row or 'unknown'}-{re.sub('[^a-z0-9]+', '-', self.name.lower()).strip('-')}"

    @property
    def sidecar(self) -> str | None:
        """The name of the container beside the task's."""
        return next((one["name"] for one in self.containers if one["name"] != "base"), None)

    @property
    def pod(self) -> JSONObject:
        """The whole pod, as its injector leaves it."""
        containers: list[JSONObject] = [
            {"image": FOREIGN_IMAGE, **one} if one["name"] != "base" else TASK_CONTAINER | one for one in self.containers
        ]
        if not any(one["name"] == "base" for one in containers):
            containers.insert(0, dict(TASK_CONTAINER))
        spec: JSONObject = {"restartPolicy": "Never"}
        if self.initContainers:
            spec["initContainers"] = list(self.initContainers)
        spec["containers"] = [{"name": one["name"], **one} for one in containers]
        if self.volumes:
            spec["volumes"] = list(self.volumes)
        return copy.deepcopy(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": "sales-load-v6bc1e7o",
                    "labels": TASK_LABELS | self.labels,
                    "annotations": TASK_ANNOTATIONS | self.annotations,
                },
                "spec": spec,
            }
        )


MAIN: Final = "typical"
"""The name of a row's main example."""


def examples_in(path: Path) -> tuple[Example, ...]:
    """The examples of one file.

    Raises:
        msgspec.ValidationError: Names the example and the field, as ``$[2].expect.quit``.

    """
    documents = list(yaml.load_all(path.read_text("utf-8"), Loader=yaml.CSafeLoader))
    return msgspec.convert(documents[1] if len(documents) > 1 else [], tuple[Example, ...])


EXAMPLES: Final = tuple(example for path in sorted(FOLDER.glob("*.yaml")) for example in examples_in(path))
