"""A release of Airflow's chart in a namespace: the jobs of the fixtures, and the objects that they refer to.

Changed in the jobs: the image, and a volume with the database, as the chart's ``extraVolumes`` would add it. SQLite replaces the chart's
database server.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed.airflow.installation import NAMESPACE as CLEANED
from testbed.wait import until
from tests.support.pods import FIXTURES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


CHART: Final = FIXTURES / "helm-chart" / "chart-1.19.0-kubernetes"
FOLDER: Final = "/opt/airflow/database"
DATABASE: Final = "airflow.db"
CONNECTION: Final = f"sqlite:///{FOLDER}/{DATABASE}?timeout=60"
CONFIGURATION: Final = "[core]\nauth_manager = airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager\n"
"""The line of the chart's airflow.cfg that decides where users are stored."""

ACCOUNTS: Final = ("migrate-database-job", "create-user-job", "cleanup", "database-cleanup")
KEYS: Final = {
    "fernet-key": {"fernet-key": "cJtXR0Yw9bnTIAzgQQxCbJVF1OgMTjGLrdLqyjhbzLE="},
    "metadata": {"connection": CONNECTION},
    "api-secret-key": {"api-secret-key": "of no worth"},
    "jwt-secret": {"jwt-secret": "of no worth, and long enough for HS512: 0123456789abcdef0123456789abcdef"},
}


@dataclass(frozen=True, slots=True)
class AirflowRelease:
    """The release ``prod``.

    Args:
        namespace: Its namespace.
        image: The image of Airflow.

    """

    namespace: PodNamespace
    image: str

    @property
    def database(self) -> Path:
        """The file, in a folder that the jobs share."""
        return self.namespace.level.place.folder / self.namespace.name / DATABASE

    def install(self) -> None:
        """Create the objects that jobs refer to. ApiError."""
        self.database.parent.mkdir()
        # The jobs' pods create files in it, as any user.
        self.database.parent.chmod(0o777)
        self.namespace.create(*self._objects())

    def start(self, file: str) -> str:
        """Create the Job of a fixture, or of a CronJob's template; its name. ApiError."""
        document = json.loads((CHART / f"{file}.json").read_text("utf-8"))
        job = self._job(document)
        self.namespace.create(job)
        return str(job["metadata"]["name"])

    def completed(self, job: str, seconds: float) -> JSONObject:
        """Wait until a Job is complete; the Job. TimeoutError."""
        api = self.namespace.level.api
        until(lambda: "Complete" in _conditions(api.get(self._path(job))), f"{job} is complete", seconds)
        return api.get(self._path(job))

    def remove(self, job: str) -> None:
        """Delete a Job, and its pods after it."""
        self.namespace.level.api.delete(self._path(job), propagationPolicy="Background")

    def pods(self, job: str) -> list[str]:
        """The names of a Job's pods."""
        path = f"/api/v1/namespaces/{self.namespace.name}/pods"
        pods = self.namespace.level.api.get(path)["items"]
        return [pod["metadata"]["name"] for pod in pods if pod["metadata"]["labels"]["job-name"] == job]

    def _path(self, job: str) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace.name}/jobs/{job}"

    def _job(self, document: JSONObject) -> JSONObject:
        spec = copy.deepcopy(document["spec"]["jobTemplate"]["spec"] if document["kind"] == "CronJob" else document["spec"])
        pod = spec["template"]["spec"]
        pod["volumes"].append({"name": "database", "hostPath": {"path": str(self.database.parent)}})
        for container in pod["containers"]:
            container["image"] = self.image
            container["volumeMounts"].append({"name": "database", "mountPath": FOLDER})
        metadata = {**document["metadata"], "namespace": self.namespace.name}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}

    def _objects(self) -> Iterator[JSONObject]:
        for account in ACCOUNTS:
            yield self._object("ServiceAccount", f"prod-airflow-{account}")
        for name, data in KEYS.items():
            yield self._object("Secret", f"prod-{name}", stringData=data)
        files = {"airflow.cfg": CONFIGURATION, "airflow_local_settings.py": ""}
        yield self._object("ConfigMap", "prod-config", data=files)
        yield self._cleanup_role()

    def _cleanup_role(self) -> JSONObject:
        """The right to delete pods in the namespace that the job's args name."""
        account = {"kind": "ServiceAccount", "name": "prod-airflow-cleanup", "namespace": self.namespace.name}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "airflow-pod-launcher"}
        metadata = {"name": f"prod-cleanup-{self.namespace.name}", "namespace": CLEANED}
        binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata}
        return {**binding, "roleRef": role, "subjects": [account]}

    def _object(self, kind: str, name: str, **fields: object) -> JSONObject:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": self.namespace.name}, **fields}


def _conditions(job: JSONObject) -> set[str]:
    return {condition["type"] for condition in job["status"].get("conditions", ()) if condition["status"] == "True"}
