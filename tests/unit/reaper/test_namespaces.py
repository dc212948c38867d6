"""How the namespaces that have opted in are found and followed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from testbed.manifest import installed
from tests.support.fake_api_reader import FakeApiReader
from webhook.kube.errors import ClusterError, RefusedError, UnreachableError
from webhook.reaper.namespaces import NAMESPACES_PATH, OPTED_IN, NamespaceWatch, list_opted_in, missing_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject


@dataclass
class ScriptedNamespaces:
    """An API server whose lists and watches follow a script, and what was notified.

    Args:
        pages: The lists, in turn.
        watches: The watches, in turn: their lines, or an error.
        heard: Each set of namespaces that was notified, in order, and each failure.

    """

    pages: list[JSONObject]
    watches: list[list[JSONObject] | Exception] = field(default_factory=list)
    heard: list[list[str] | Exception] = field(default_factory=list)
    reads: int = 0

    def get(self, path: str, **parameters: str) -> bytes:
        assert (path, parameters["labelSelector"]) == (NAMESPACES_PATH, OPTED_IN)
        return json.dumps(self.pages.pop(0)).encode()

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        assert (path, parameters["labelSelector"]) == (NAMESPACES_PATH, OPTED_IN)
        assert read_seconds > float(parameters["timeoutSeconds"])
        events = self.watches.pop(0)
        if isinstance(events, Exception):
            raise events
        for event in events:
            yield json.dumps(event).encode()

    def opted_in(self, namespaces: frozenset[str]) -> None:
        self.heard.append(sorted(namespaces))

    def namespaces_read(self) -> None:
        self.reads += 1

    def namespaces_failed(self, problem: Exception) -> None:
        self.heard.append(problem)


def page(*names: str, following: str = "") -> JSONObject:
    return {"metadata": {"resourceVersion": "5", "continue": following}, "items": [{"metadata": {"name": name}} for name in names]}


def event(what: str, name: str, version: str) -> JSONObject:
    return {"type": what, "object": {"metadata": {"name": name, "resourceVersion": version}}}


def test_the_selector_is_that_of_the_installed_webhook() -> None:
    selector = installed("MutatingWebhookConfiguration")["webhooks"][0]["namespaceSelector"]
    ((key, value),) = selector["matchLabels"].items()
    (others,) = selector["matchExpressions"]

    assert f"{key}={value},{others['key']} {others['operator'].lower()} ({','.join(others['values'])})" == OPTED_IN


def test_a_list_has_the_names_of_all_pages_in_order() -> None:
    assert list_opted_in(ScriptedNamespaces([page("data", following="more"), page("airflow")])) == ["airflow", "data"]


def test_a_namespace_that_several_selectors_select_is_listed_once() -> None:
    api = FakeApiReader({NAMESPACES_PATH: [page("etl", "airflow"), page("airflow", "data")]})

    assert list_opted_in(api, ["a=b", "c"]) == ["airflow", "data", "etl"]
    assert [parameters["labelSelector"] for _, parameters in api.requests] == ["a=b", "c"]


def missing(answer: object) -> str:
    return str(missing_namespace(FakeApiReader({f"{NAMESPACES_PATH}/air%2Fflow": [answer]}), "air/flow") or "")


def test_a_namespace_is_missing_where_the_api_server_says_so() -> None:
    assert missing(RefusedError(404, 'namespaces "air/flow" not found')) == '404 namespaces "air/flow" not found'
    assert missing({"metadata": {"name": "air/flow"}}) == ""


@pytest.mark.parametrize("error", [RefusedError(403, "forbidden"), RefusedError(500, "unwell"), UnreachableError("no")])
def test_where_that_cannot_be_known_it_is_not(error: ClusterError) -> None:
    assert missing(error) == ""


def test_a_namespace_comes_with_its_label_and_goes_without_it() -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}
    script = ScriptedNamespaces([page("airflow")], [[event("ADDED", "data", "6"), event("DELETED", "airflow", "7"), bookmark]])
    NamespaceWatch(script, script).run_once()
    reads = len(["list", "ADDED", "DELETED", "BOOKMARK", "end of the watch"])
    assert (script.heard, script.reads) == ([["airflow"], ["airflow", "data"], ["data"]], reads)


def test_a_watch_that_cannot_continue_is_followed_by_a_list() -> None:
    gone = RefusedError(410, "too old resource version")
    script = ScriptedNamespaces([page("airflow"), page("data")], [gone, []])
    watch = NamespaceWatch(script, script)
    watch.run_once()
    watch.run_once()
    assert script.heard == [["airflow"], gone, ["data"]]
