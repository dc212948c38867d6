"""Opts a namespace in for a while, with pods running in it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from testbed.manifest import OPTED_IN
from testbed.wait import until
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.registration import NOTICE_SECONDS, is_patched_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.e2e.node.namespace import PodNamespace


@contextmanager
def opted_in(namespace: PodNamespace) -> Iterator[None]:
    """Within this block the webhook is called for the namespace's new pods."""
    _label(namespace, OPTED_IN)
    try:
        until(lambda: is_patched_in(namespace.name, namespace.level.api), f"pods in {namespace.name} are patched", NOTICE_SECONDS)
        yield
    finally:
        _label(namespace, NOT_OPTED_IN)
    until(lambda: not is_patched_in(namespace.name, namespace.level.api), f"pods in {namespace.name} are left alone", NOTICE_SECONDS)


def _label(namespace: PodNamespace, labels: Mapping[str, str]) -> None:
    namespace.level.api.patch(f"/api/v1/namespaces/{namespace.name}", {"metadata": {"labels": dict(labels)}})
