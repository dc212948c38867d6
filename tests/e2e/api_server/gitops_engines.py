"""Argo CD's and Flux' own engines on the objects of a release of the chart.

The engines are real (`testbed/tools/gitops`); the controllers around them do not run. So these stand-ins cannot show how a controller fetches
a chart, which status an Application, a Kustomization or a HelmRelease gets, or when it is reconciled.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from manifests.rendering import CHART, helm
from testbed import binaries
from tests.e2e.api_server.chart_release import NEWEST
from tests.e2e.api_server.unique_keys import documents
from tests.e2e.levels import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.api_server.chart_release import Release
    from tests.support.json_object import JSONObject

SECONDS: Final = 60

Outcomes = dict[str, str]
"""What an engine says of each object, by its kind and name."""


@dataclass(frozen=True, slots=True)
class Way:
    """How an Argo CD is set to apply and to compare.

    Args:
        apply: The flags of a sync; none: a client-side apply, Argo CD's default.
        diff: The strategy by which it compares (docs/user-guide/diff-strategies.md of Argo CD).

    """

    apply: tuple[str, ...]
    diff: str


WAYS: Final[Mapping[str, Way]] = {
    "client-side": Way((), "legacy"),
    "server-side": Way(("--server-side-apply",), "server-side"),
    "server-side-before-3.6": Way(("--server-side-apply",), "structured-merge"),
    "client-side-compared-by-the-server": Way((), "server-side"),
}
"""The defaults, ServerSideApply=true, the same in older versions, and ServerSideDiff=true alone."""


class DifferenceError(AssertionError):
    """An engine sees a difference; the text has both sides."""


@dataclass(frozen=True, slots=True)
class ArgoLikeApplication:
    """What Argo CD would do for an Application whose source is the chart.

    Args:
        release: The release's namespace and name; nothing of it is installed by Helm.
        way: How it applies and compares.
        tracking: By what it recognizes its objects: `annotation`, its default, or `label`.
        name: The Application's; empty: the release's, as by default.

    """

    release: Release
    way: Way
    tracking: str = "annotation"
    name: str = ""

    def rendered(self, **values: object) -> list[JSONObject]:
        """The objects as its repo-server renders them: without a cluster, and with the objects of ``helm test``."""
        require(binaries.HELM)
        where = ("--namespace", self.release.namespace, "--kube-version", NEWEST, "--include-crds", "--values", "-")
        return documents(helm("template", self.release.name, CHART, *where, given=json.dumps(self.release.values(**values))))

    def sync(self, *options: str, **values: object) -> Outcomes:
        """Apply the chart with these values; with the option ``--prune`` delete what is tracked and no longer rendered."""
        return self._run("argo-sync", self.rendered(**values), *self.way.apply, *options)

    def remove_all(self) -> Outcomes:
        """Prune every object that it tracks."""
        return self._run("argo-sync", [], "--prune")

    def compare(self, **values: object) -> Outcomes:
        """`Synced`, `OutOfSync`, `Missing` or `Extra`, for each object of the chart and each that it tracks."""
        return self._run("argo-compare", self.rendered(**values), f"--diff={self.way.diff}")

    def assert_synced(self, **values: object) -> None:
        """Nothing differs. DifferenceError."""
        _assert_all(_run(self.release, "argo-compare", self.rendered(**values), *self._flags, f"--diff={self.way.diff}"), "Synced")

    @property
    def _flags(self) -> tuple[str, ...]:
        return (f"--name={self.name or self.release.name}", f"--tracking={self.tracking}")

    def _run(self, command: str, given: list[JSONObject], *flags: str) -> Outcomes:
        return _by_object(_run(self.release, command, given, *self._flags, *flags))


@dataclass(frozen=True, slots=True)
class FluxLikeKustomization:
    """What Flux' kustomize-controller would do for a Kustomization with these objects: server-side apply, and prune by its inventory."""

    release: Release
    name: str = "webhook"

    def apply(self, given: list[JSONObject], *options: str) -> Outcomes:
        """`created`, `configured` or `unchanged`, for each object. With the option ``--replace``: its spec.force."""
        return _by_object(_run(self.release, "flux-apply", given, f"--name={self.name}", *options))

    def delete(self, inventory: list[JSONObject]) -> Outcomes:
        """`deleted`, or `skipped` for an object that is not its own."""
        return _by_object(_run(self.release, "flux-delete", inventory, f"--name={self.name}"))


@dataclass(frozen=True, slots=True)
class FluxLikeRelease:
    """What the drift detection of Flux' helm-controller would see of a release that Helm has installed."""

    release: Release

    def drift(self) -> Outcomes:
        """`none`, `create` or `update`, for each object of the release's manifest."""
        return _by_object(self._found())

    def assert_no_drift(self) -> None:
        """Nothing has drifted. DifferenceError."""
        _assert_all(self._found(), "none")

    def _found(self) -> list[JSONObject]:
        return _run(self.release, "flux-drift", self.release.manifest, f"--name={self.release.name}")


def _run(release: Release, command: str, given: list[JSONObject], *flags: str) -> list[JSONObject]:
    require(binaries.GITOPS)
    where = (f"--kubeconfig={release.level.server.kubeconfig}", f"--namespace={release.namespace}")
    program = [str(binaries.find(binaries.GITOPS)), command, *where, *flags]
    done = subprocess.run(program, input=json.dumps(given), check=False, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    found: list[JSONObject] = json.loads(done.stdout)
    return found


def _by_object(found: list[JSONObject]) -> Outcomes:
    return {one["object"]: one["state"] for one in found}


def _assert_all(found: list[JSONObject], state: str) -> None:
    differing: dict[str, Any] = {one["object"]: (one["state"], one.get("detail")) for one in found if one["state"] != state}
    if differing:
        raise DifferenceError(json.dumps(differing, indent=1))
    assert found
