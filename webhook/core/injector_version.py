"""The versions of injectors, as a pod that they have injected suggests them: for a caller that cannot read the cluster.

The service never goes by them: a pod may set its own image, and an image's tag may follow another count than the product's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from webhook.core.condition import any_holds
from webhook.core.errors import MalformedPodError
from webhook.core.pod import read_pod
from webhook.core.version import Version, image_version, read_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.core.catalogue import Catalogue
    from webhook.core.pod import Container, Pod
    from webhook.core.sidecar import Sidecar


def suggested_versions(pod: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Version]:
    """The version of the injector of each sidecar in a pod, by the id of its row; none where the pod itself may have set the image."""
    try:
        read = read_pod(pod)
        found = [(catalogue.find(read, container), container) for container in read.spec.containers]
        versions = {row.id: _version(row, read, container) for row, container in found if row is not None}
    except MalformedPodError:
        return {}
    return {id_: version for id_, version in versions.items() if version is not None}


def _version(row: Sidecar, pod: Pod, container: Container) -> Version | None:
    if row.native is None or row.convert is None or any_holds(row.native.image_set_by, pod, container):
        return None
    since, found = read_version(row.convert.annotations_since or ""), image_version(container.image or "")
    # A tag of another major version, such as 2024.10, counts something else.
    return found if since is not None and found is not None and found.major == since.major else None
