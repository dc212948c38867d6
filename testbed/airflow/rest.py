"""A client of Airflow's REST API, for what a test starts and asks."""

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
"""How often Airflow itself looks at a run that is waited for: it has better to do than to be asked twenty times a second."""


class Rest:
    """One Airflow, whose simple auth manager takes everybody for an admin. httpx.HTTPError from every method."""

    def __init__(self, url: str) -> None:
        """Connect when first asked. ``url``: like ``http://198.18.0.2:30123/api/v2``."""
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
        """What is at a path."""
        answer: JSONObject = self._client.get(path).raise_for_status().json()
        return answer

    def follow(self, path: str, **parameters: float) -> Iterator[JSONObject]:
        """What is streamed at a path, object by object, for as long as somebody listens."""
        with self._client.stream("GET", path, params=parameters) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                yield json.loads(line)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a DAG.

    Args:
        rest: Whom to ask.
        path: Its own.

    """

    rest: Rest
    path: str

    def end(self, seconds: float) -> str:
        """The state that it ends in: ``success`` or ``failed``. TimeoutError tells how its tasks stood."""
        deadline = time.monotonic() + seconds
        for told in self.rest.follow(f"{self.path}/wait", interval=WAIT_SECONDS):
            if told["state"] in ENDED:
                return str(told["state"])
            if time.monotonic() > deadline:
                break
        message = f"not within {seconds:g} s: {self.path} ends; its tasks stand at {self.states()}"
        raise TimeoutError(message)

    def tasks(self) -> list[JSONObject]:
        """Its task instances, as Airflow tells of them."""
        tasks: list[JSONObject] = self.rest.get(f"{self.path}/taskInstances")["task_instances"]
        return tasks

    def states(self) -> dict[str, str | None]:
        """The state of each task."""
        return {task["task_id"]: task["state"] for task in self.tasks()}

    def hosts(self) -> dict[str, str]:
        """Where each task ran: the name of its pod, with the KubernetesExecutor."""
        return {task["task_id"]: task["hostname"] for task in self.tasks()}

    def xcom(self, task: str, key: str = "return_value") -> object:
        """What a task has left for others. HTTPStatusError with code 404: nothing."""
        return self.rest.get(f"{self.path}/taskInstances/{task}/xcomEntries/{key}")["value"]

    def log(self, task: str) -> list[str]:
        """What a task's first try has logged."""
        return [line["event"] for line in self.rest.get(f"{self.path}/taskInstances/{task}/logs/1")["content"]]
