"""What the doctor read of a cluster, at one time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from webhook.core import ClusterObservation, Remedy
from webhook.reaper.rights import ReaperRight

if TYPE_CHECKING:
    from datetime import datetime

    from webhook.core import Progress, ServerVersion
    from webhook.course.stuck_pod import StuckPod
    from webhook.doctor.dry_run import DryRun
    from webhook.doctor.registration import RegisteredWebhook
    from webhook.kube.nodes import Nodes


MAX_NAMED_PODS: Final = 3
"""Of those that need the same remedy."""


class ReadFailure(msgspec.Struct, frozen=True):
    """A read that failed, with the API server's own message."""

    message: str


class NamespaceMetadata(msgspec.Struct, frozen=True):
    """What is read of a namespace."""

    labels: dict[str, str] | None = None


class SecretName(NamedTuple):
    """A Secret: its namespace and its name."""

    namespace: str
    name: str


class ReaperAccount(NamedTuple):
    """The reaper's service account: its namespace and its name."""

    namespace: str
    name: str

    @property
    def user(self) -> str:
        """The name of its user."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


class ReaperRights(msgspec.Struct, frozen=True):
    """What it may do.

    Args:
        user: The name of its user.
        granted: Its rights, of those that the reaper uses; with those in the checked namespace of task pods.

    """

    user: str
    granted: frozenset[ReaperRight]


class SettingsOrigin(msgspec.Struct, frozen=True):
    """The Deployment of the installed webhook, from which the settings are read that the checks go by.

    Args:
        namespace: Its namespace.
        name: Its name.
        problem: Why the settings could not be read; empty: they were.

    """

    namespace: str
    name: str
    problem: str = ""


class SharedRemedy(msgspec.Struct, frozen=True):
    """What to do about some pods that may stay Running after their task.

    Args:
        remedy: It is the same for all of them.
        pods: The names of the first `MAX_NAMED_PODS`.
        count: How many there are.

    """

    remedy: Remedy
    pods: tuple[str, ...]
    count: int

    @property
    def named(self) -> str:
        """The pods, for people."""
        more = self.count - len(self.pods)
        return ", ".join(self.pods) + (f" and {more} more" if more else "")


def observation_of(server: ServerVersion | ReadFailure, nodes: Nodes | ReadFailure) -> ClusterObservation:
    """What decides whether native sidecars are used, as far as it could be read."""
    oldest = None if isinstance(nodes, ReadFailure) else nodes.oldest
    return ClusterObservation(
        server=None if isinstance(server, ReadFailure) else server,
        oldest_kubelet=oldest.kubelet if oldest else None,
        are_nodes_known=not isinstance(nodes, ReadFailure),
    )


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """A cluster and one of its namespaces. A `ReadFailure` stands for what could not be read.

    Args:
        namespace: The name of the namespace.
        taken_at: When it was read, on the clock of this machine.
        server: The API server's version.
        nodes: All nodes.
        webhooks: Every mutating webhook, in the order in which the API server calls them.
        metadata: The namespace's; None: the namespace does not exist.
        pod: The dry run of a pod with a native sidecar.
        template: The dry run of the same pod in a PodTemplate.
        task_pods: The progress of each task pod in the namespace.
        stuck_pods: Those of them that stay Running after their task, the one first that is stuck for the longest time.
        remedies: What to do about those that have not ended, what most of them need first.
        immutable_secret: The authority's Secret, where it is immutable; None: it is not, or it could not be read.
        reaper: The rights of the reaper's service account; None: they were not checked.
        settings: Where the settings come from; None: from the user, or the webhook is not installed.

    """

    namespace: str
    taken_at: datetime
    server: ServerVersion | ReadFailure
    nodes: Nodes | ReadFailure
    webhooks: tuple[RegisteredWebhook, ...] | ReadFailure
    metadata: NamespaceMetadata | ReadFailure | None
    pod: DryRun
    template: DryRun
    task_pods: tuple[Progress, ...] | ReadFailure
    stuck_pods: tuple[StuckPod, ...]
    remedies: tuple[SharedRemedy, ...]
    immutable_secret: SecretName | None = None
    reaper: ReaperRights | ReadFailure | None = None
    settings: SettingsOrigin | None = None

    @property
    def observation(self) -> ClusterObservation:
        """What decides whether native sidecars are used, as far as it could be read."""
        return observation_of(self.server, self.nodes)

    @property
    def labels(self) -> dict[str, str]:
        """The namespace's labels, as far as they could be read."""
        return (self.metadata.labels if isinstance(self.metadata, NamespaceMetadata) else None) or {}
