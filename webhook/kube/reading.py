"""What is read of the API: only the fields that count, straight from the bytes, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec

from webhook.core.cluster import MutatingWebhook, Server
from webhook.core.version import read_version
from webhook.kube.errors import RefusedError, UnreadableError
from webhook.kube.nodes import Node, Nodes, make_node

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

VERSION_PATH: Final = "/version"
NODES_PATH: Final = "/api/v1/nodes"
CONFIGURATIONS_PATH: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

PAGE: Final = 500
"""Objects of one answer, as client-go has it: some megabytes of nodes, which are forgotten once the next is read."""

WATCH_SECONDS: Final = 60
"""How long one watch lasts. The next goes on from where it ended, at the price of one request."""

SILENCE_SECONDS: Final = WATCH_SECONDS + 15.0
"""After this time without a byte the other side of a watch is gone: it ends a watch in time, and sends bookmarks in between."""


class Source(Protocol):
    """What answers: `webhook.kube.connection.Connection`."""

    def get(self, path: str, **parameters: str) -> bytes:
        """The body of one answer."""

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        """The lines of one answer, as they come; empty ones say that it has begun or goes on."""


class _Object(msgspec.Struct, rename="camel"):
    name: str = ""
    labels: dict[str, str] | None = None
    resource_version: str = ""


class _NodeInfo(msgspec.Struct, rename="camel"):
    kubelet_version: str = ""


class _NodeStatus(msgspec.Struct, rename="camel"):
    node_info: _NodeInfo = msgspec.field(default_factory=_NodeInfo)


class _Node(msgspec.Struct):
    metadata: _Object
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)

    def short(self) -> Node:
        return make_node(self.metadata.name, self.metadata.labels or {}, self.status.node_info.kubelet_version)


class _ListMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    following: str = msgspec.field(default="", name="continue")


class _Webhook(msgspec.Struct, rename="camel"):
    name: str
    reinvocation_policy: str = "Never"


class _Configuration(msgspec.Struct):
    metadata: _Object
    webhooks: list[_Webhook] | None = None


class Page(msgspec.Struct):
    """One page of a list, its objects not looked into."""

    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


class _ServerVersion(msgspec.Struct, rename="camel"):
    git_version: str
    emulation_major: str = ""
    emulation_minor: str = ""


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Status(msgspec.Struct):
    code: int = 500
    message: str = ""


class NodeEvent(msgspec.Struct, frozen=True):
    """One event of a watch.

    Args:
        node: The node it is about; None: only time has passed.
        is_gone: Whether the node is no more.
        resource_version: Where a watch goes on after it.

    """

    node: Node | None
    is_gone: bool
    resource_version: str


def read_server(source: Source) -> Server:
    """The version of the API server, and what it counts as. ClusterError."""
    told = decode(source.get(VERSION_PATH), _ServerVersion)
    version = read_version(told.git_version)
    if version is None:
        message = f"the API server's version cannot be read: {told.git_version[:40]!r}"
        raise UnreadableError(message)
    emulated = read_version(f"{told.emulation_major}.{told.emulation_minor}")
    is_older = emulated is not None and (emulated.major, emulated.minor) < (version.major, version.minor)
    return Server(told.git_version, emulated if emulated is not None and is_older else version, is_older)


def list_webhooks(source: Source) -> list[MutatingWebhook]:
    """All webhooks of all MutatingWebhookConfigurations. ClusterError."""
    return [
        MutatingWebhook(configuration.metadata.name, webhook.name, webhook.reinvocation_policy)
        for page in pages(source, CONFIGURATIONS_PATH)
        for configuration in [decode(item, _Configuration) for item in page.items or ()]
        for webhook in configuration.webhooks or ()
    ]


def list_nodes(source: Source) -> tuple[Nodes, str]:
    """All nodes, and the resourceVersion from which a watch goes on. ClusterError."""
    nodes, resource_version = Nodes(), ""
    for page in pages(source, NODES_PATH):
        for item in page.items or ():
            nodes.put(decode(item, _Node).short())
        resource_version = page.metadata.resource_version
    return nodes, resource_version


def watch_nodes(source: Source, resource_version: str) -> Iterator[NodeEvent]:
    """What happens to nodes after that resourceVersion, for a minute; first that nothing has, once the watch stands.

    ClusterError; a RefusedError where watching is not allowed, or that resourceVersion is no longer kept (410).
    """
    parameters = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
    for line in source.lines(NODES_PATH, SILENCE_SECONDS, resourceVersion=resource_version, **parameters):
        event = _read_event(line) if line.strip() else NodeEvent(None, is_gone=False, resource_version=resource_version)
        resource_version = event.resource_version
        yield event


def _read_event(line: bytes) -> NodeEvent:
    event = decode(line, _Event)
    if event.type == "ERROR":
        status = decode(event.object, _Status)
        raise RefusedError(status.code, status.message)
    node = decode(event.object, _Node)
    is_bookmark = event.type == "BOOKMARK"
    return NodeEvent(None if is_bookmark else node.short(), event.type == "DELETED", node.metadata.resource_version)


def pages(source: Source, path: str) -> Iterator[Page]:
    """A list, page by page. ClusterError."""
    following = ""
    while True:
        parameters = {"limit": str(PAGE), **({"continue": following} if following else {})}
        page = decode(source.get(path, **parameters), Page)
        yield page
        following = page.metadata.following
        if not following:
            return


def decode(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """JSON of the API as a value. UnreadableError."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"the answer cannot be read: {error}"
        raise UnreadableError(message) from error
