"""Kubeconfigs, as JSON, which is YAML."""

from __future__ import annotations

import json


def kubeconfig_for(server: str, *contexts: str, token: str = "none") -> str:  # noqa: S107  it opens nothing
    """A kubeconfig with these contexts of one API server; the first is the current one."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in contexts],
            "current-context": contexts[0],
        }
    )
