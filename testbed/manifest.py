"""What the project installs (``manifests/install.yaml``), which the test bed registers its own webhook process by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

if TYPE_CHECKING:
    from testbed.api import JSONObject

INSTALL: Final = Path(__file__).parents[1] / "manifests" / "install.yaml"


def installed(kind: str) -> JSONObject:
    """The manifest's only object of a kind. ValueError: there is none, or more than one."""
    objects = yaml.safe_load_all(INSTALL.read_text("utf-8"))
    (found,) = (one for one in objects if one["kind"] == kind)
    return dict(found)


def watch_rules() -> list[JSONObject]:
    """The RBAC rules for what the webhook watches; the certificate manager's rules name the one object that each is for."""
    return [rule for rule in installed("ClusterRole")["rules"] if "resourceNames" not in rule]


OPTED_IN: Final[dict[str, str]] = installed("MutatingWebhookConfiguration")["webhooks"][0]["namespaceSelector"]["matchLabels"]
"""The label of a namespace whose pods the webhook is called for."""
