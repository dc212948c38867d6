"""A client of Airflow's REST API: start a DAG run, wait for its end, read its tasks."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import JSONObject


HEALTHY: Final = "healthy"
PARTS: Final = ("metadatabase", "scheduler", "dag_processor")
ENDED: Final = frozenset({"success", "failed"})
ANSWER_SECONDS: Final = 30
WAIT_SECONDS: Final = 0.5
"""Between two reads of a run by Airflow's own wait endpoint: fewer than `testbed.wait` would make, since each costs it a query."""


class AirflowApi:
    """One Airflow, whose simple auth manager treats everybody as an admin. Every method may raise httpx.HTTPError."""

    def __init__(self, url: str) -> None:
        """Connect at the first request. ``url``: like ``http://198.18.0.2:30123/api/v2``."""
        self._client = httpx.Client(base_url=url, timeout=ANSWER_SECONDS, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def is_healthy(self) -> bool:
        """Whether its programs are up."""
        health = self.get("/monitor/health")
        return all(health[part]["status"] == HEALTHY for part in PARTS)

    def files_of_dags(self) -> set[str]:
        """The files in which it found DAGs. RuntimeError: one of them has an error."""
        errors = self.get("/importErrors")["import_errors"]
        if errors:
            raise RuntimeError(errors[0]["stack_trace"])
        return {dag["relative_fileloc"] for dag in self.get("/dags")["dags"]}

    def run(self, dag: str, **conf: object) -> Run:
        """Start a DAG with a configuration."""
        answer = self._client.post(f"/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf}).raise_for_status()
        return Run(self, f"/dags/{dag}/dagRuns/{answer.json()['dag_run_id']}")

    def get(self, path: str) -> JSONObject:
        """The JSON object at a path."""
        answer: JSONObject = self._client.get(path).raise_for_status().json()
        return answer

    def follow(self, path: str, **parameters: float) -> Iterator[JSONObject]:
        """The JSON objects that a path streams, until the caller stops reading."""
        with self._client.stream("GET", path, params=parameters) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                yield json.loads(line)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a DAG.

    Args:
        api: The client.
        path: The run's path in the API.

    """

    api: AirflowApi
    path: str

    def end(self, seconds: float) -> str:
        """Wait for its final state: ``success`` or ``failed``. TimeoutError names the state of each task."""
        deadline = time.monotonic() + seconds
        for update in self.api.follow(f"{self.path}/wait", interval=WAIT_SECONDS):
            if update["state"] in ENDED:
                return str(update["state"])
            if time.monotonic() > deadline:
                break
        message = f"not within {seconds:g} s: {self.path} ends; the states of its tasks: {self.states()}"
        raise TimeoutError(message)

    def tasks(self) -> list[JSONObject]:
        """Its task instances, as the API returns them."""
        tasks: list[JSONObject] = self.api.get(f"{self.path}/taskInstances")["task_instances"]
        return tasks

    def states(self) -> dict[str, str | None]:
        """The state of each task."""
        return {task["task_id"]: task["state"] for task in self.tasks()}

    def hosts(self) -> dict[str, str]:
        """The host of each task: with the KubernetesExecutor, the name of its pod."""
        return {task["task_id"]: task["hostname"] for task in self.tasks()}

    def xcom(self, task: str, key: str = "return_value") -> object:
        """An XCom value of a task. HTTPStatusError with code 404: there is none."""
        return self.api.get(f"{self.path}/taskInstances/{task}/xcomEntries/{key}")["value"]

    def log(self, task: str) -> list[str]:
        """The log lines of a task's first try."""
        return [line["event"] for line in self.api.get(f"{self.path}/taskInstances/{task}/logs/1")["content"]]
