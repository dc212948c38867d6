"""The namespaces that have opted in by their label: the reaper serves them where none is named."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote

from webhook.core import OPT_IN
from webhook.kube.errors import ClusterError, RefusedError
from webhook.kube.reading import pages
from webhook.kube.reflector import Reflector, metadata_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import msgspec

    from webhook.kube.reading import ApiReader
    from webhook.kube.reflector import ObjectMetadata

NAMESPACES_PATH: Final = "/api/v1/namespaces"

OPTED_IN: Final = f"{OPT_IN},kubernetes.io/metadata.name notin (kube-system,kube-node-lease)"
"""Selects them as the chart's MutatingWebhookConfiguration does."""


class NamespaceListener(Protocol):
    """Is notified in the thread of the watch."""

    def opted_in(self, namespaces: frozenset[str]) -> None:
        """These namespaces have opted in, and no others."""

    def namespaces_read(self) -> None:
        """A list, or a part of a watch, was read."""

    def namespaces_failed(self, problem: Exception) -> None:
        """A list or a watch failed."""


def list_opted_in(api: ApiReader, selectors: Collection[str] = (OPTED_IN,)) -> list[str]:
    """Their names, in order; ``selectors``: of installed webhooks that do not go by the label. ClusterError."""
    found = [item for one in selectors for page in pages(api, NAMESPACES_PATH, labelSelector=one) for item in page.items or ()]
    return sorted(set(map(_name_of, found)))


def missing_namespace(api: ApiReader, name: str) -> RefusedError | None:
    """The refusal of the API server where there is no namespace of this name; None: there is one, or that cannot be known."""
    try:
        api.get(f"{NAMESPACES_PATH}/{quote(name, safe='')}")
    except RefusedError as error:
        return error if error.status == HTTPStatus.NOT_FOUND else None
    except ClusterError:
        return None
    return None


class NamespaceWatch(Reflector):
    """Follows them."""

    def __init__(self, api: ApiReader, listener: NamespaceListener, now: Callable[[], float] = time.monotonic) -> None:
        """Read nothing yet; ``now`` is a monotonic clock, in seconds."""
        super().__init__(api, NAMESPACES_PATH, {"labelSelector": OPTED_IN}, now)
        self._listener = listener
        self._names: frozenset[str] = frozenset()

    def take_list(self, items: Iterator[msgspec.Raw]) -> None:
        """See `Reflector`."""
        self._take_names(frozenset(map(_name_of, items)))

    def take_change(self, metadata: ObjectMetadata, data: msgspec.Raw) -> None:
        """See `Reflector`."""
        del data
        self._take_names(self._names | {metadata.name})

    def take_end(self, metadata: ObjectMetadata) -> None:
        """See `Reflector`."""
        self._take_names(self._names - {metadata.name})

    def was_read(self) -> None:
        """See `Reflector`."""
        self._listener.namespaces_read()

    def has_failed(self, problem: Exception) -> None:
        """See `Reflector`."""
        self._listener.namespaces_failed(problem)

    def _take_names(self, names: frozenset[str]) -> None:
        self._names = names
        self._listener.opted_in(names)


def _name_of(item: msgspec.Raw) -> str:
    return metadata_of(item).name
