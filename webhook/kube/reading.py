"""Reads from the Kubernetes API: decodes only the fields that are used, straight from the bytes, page by page."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from webhook.core import VERSION_LABEL, MutatingWebhook, ServerVersion, read_version
from webhook.kube.errors import RefusedError, UnreadableError
from webhook.kube.nesting import shallow
from webhook.kube.nodes import ClusterNode, Nodes, make_node

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

VERSION_PATH: Final = "/version"
NODES_PATH: Final = "/api/v1/nodes"
CONFIGURATIONS_PATH: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

PAGE: Final = 500
"""Objects in one response, as in client-go: some megabytes of nodes, which are freed when the next page is read."""

WATCH_SECONDS: Final = 60
"""How long one watch lasts. The next one continues where it ended, and costs one request."""

SILENCE_SECONDS: Final = 15.0
"""A watch that sends nothing for this time longer than it lasts is given up: the API server ends a watch in time."""


class ApiReader(Protocol):
    """The part of `webhook.kube.client.KubernetesClient` that reads."""

    def get(self, path: str, **parameters: str) -> bytes:
        """The body of a GET. ClusterError."""

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        """The lines of a GET as they arrive; empty ones show that the response has begun or goes on. ClusterError."""


class _Object(msgspec.Struct):
    name: str = ""
    labels: dict[str, str] | None = None


class _NodeInfo(msgspec.Struct, rename="camel"):
    kubelet_version: str = ""


class _NodeStatus(msgspec.Struct, rename="camel"):
    node_info: _NodeInfo = msgspec.field(default_factory=_NodeInfo)


class _Node(msgspec.Struct):
    metadata: _Object
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)

    def stored(self) -> ClusterNode:
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

    @property
    def version(self) -> str:
        return (self.metadata.labels or {}).get(VERSION_LABEL, "")


class Page(msgspec.Struct):
    """One page of a list, its items not decoded."""

    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


class _ServerVersion(msgspec.Struct, rename="camel"):
    git_version: str
    emulation_major: str = ""
    emulation_minor: str = ""


class WatchEvent(msgspec.Struct, frozen=True):
    """One event of a watch.

    Args:
        type: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``.
        object: The object, not decoded; of a bookmark its metadata has the resourceVersion alone.

    """

    type: str
    object: msgspec.Raw


class _WatchError(msgspec.Struct):
    code: int = 500
    message: str = ""


def read_server(reader: ApiReader) -> ServerVersion:
    """The version of the API server, and the version that it emulates. ClusterError."""
    answer = decode(reader.get(VERSION_PATH), _ServerVersion)
    version = read_version(answer.git_version)
    if version is None:
        message = f"the API server's version cannot be parsed: {answer.git_version[:40]!r}"
        raise UnreadableError(message)
    emulated = read_version(f"{answer.emulation_major}.{answer.emulation_minor}")
    is_older = emulated is not None and (emulated.major, emulated.minor) < (version.major, version.minor)
    return ServerVersion(answer.git_version, emulated if emulated is not None and is_older else version, is_older)


def list_webhooks(reader: ApiReader) -> list[MutatingWebhook]:
    """All webhooks of all MutatingWebhookConfigurations. ClusterError."""
    return [
        MutatingWebhook(configuration.metadata.name, webhook.name, webhook.reinvocation_policy, configuration.version)
        for page in pages(reader, CONFIGURATIONS_PATH)
        for configuration in [decode(item, _Configuration) for item in page.items or ()]
        for webhook in configuration.webhooks or ()
    ]


def list_nodes(reader: ApiReader) -> Nodes:
    """All nodes. ClusterError."""
    return read_nodes(item for page in pages(reader, NODES_PATH) for item in page.items or ())


def read_nodes(items: Iterable[msgspec.Raw]) -> Nodes:
    """The nodes of a list. UnreadableError."""
    nodes = Nodes()
    for item in items:
        nodes.put(read_node(item))
    return nodes


def read_node(data: msgspec.Raw) -> ClusterNode:
    """What is stored of a node. UnreadableError."""
    return decode(data, _Node).stored()


def watch(
    reader: ApiReader, path: str, resource_version: str, seconds: int = WATCH_SECONDS, **selectors: str
) -> Iterator[WatchEvent | None]:
    """The events of a collection after this resourceVersion. None: the watch was accepted, or is still open.

    Args:
        reader: Reads from the API server.
        path: The collection's.
        resource_version: From which the watch continues.
        seconds: How long it lasts.
        selectors: More query parameters, such as ``fieldSelector``.

    Raises:
        ClusterError: The watch broke off; a RefusedError where watching is forbidden, or the resourceVersion is too old (410).

    """
    parameters = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds), **selectors}
    for line in reader.lines(path, seconds + SILENCE_SECONDS, resourceVersion=resource_version, **parameters):
        yield _read_event(line) if line.strip() else None


def _read_event(line: bytes) -> WatchEvent:
    event = decode(line, WatchEvent)
    if event.type == "ERROR":
        status = decode(event.object, _WatchError)
        raise RefusedError(status.code, status.message)
    return event


def pages(reader: ApiReader, path: str, size: int = PAGE, **selectors: str) -> Iterator[Page]:
    """The pages of a list, of at most so many objects; ``selectors`` are more query parameters, such as ``fieldSelector``. ClusterError."""
    following = ""
    while True:
        parameters = {"limit": str(size), **({"continue": following} if following else {}), **selectors}
        page = decode(reader.get(path, **parameters), Page)
        yield page
        following = page.metadata.following
        if not following:
            return
        # Whoever iterates still has the page: its items, and with them the response, are freed before the next one arrives.
        page.items = None


def decode(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Decode JSON from the API. UnreadableError."""
    try:
        return _decode(data, kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"the response cannot be decoded: {error}"
        raise UnreadableError(message) from error


def _decode(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    decoder = _decoder(kind)
    try:
        return decoder.decode(data)
    except RecursionError:
        # A pod's creator may write its `managedFields`, and nest them as deeply as the API server reads. Others must not pay for it.
        return decoder.decode(shallow(bytes(data)))


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of a type, made once, by one thread at a time.

    msgspec collects what it knows of a Struct at its first use, and shows it to others before it is complete: a thread that decodes the
    same type meanwhile reads a null pointer, and the process ends (msgspec 0.22, ``StructInfo_Convert``).
    """
    found = _decoders.get(kind)
    if found is None:
        with _making:
            found = _decoders[kind] = msgspec.json.Decoder(kind)
    return found


_decoders: Final[dict[type, msgspec.json.Decoder[Any]]] = {}
_making: Final = threading.Lock()
