"""What the service imports and knows where it has a cluster, and where it has none."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


IMPORTS_NO_CLIENT = """
import os, sys
from webhook.policy_files import build_policy
from webhook.server.cluster_watch import ClusterWatch
from webhook.server.metrics import Metrics
from webhook.settings import read_settings
settings = read_settings(os.environ)
watch = ClusterWatch(settings, build_policy(settings).catalogue, Metrics())
watch.start()
print(watch.view.current.support, "kubernetes" in sys.modules)
"""


@pytest.mark.parametrize(("switch", "printed"), [("off", "forced-off False"), ("on", "forced-on True"), ("auto", "unknown True")])
def test_off_does_not_even_import_the_client(tmp_path: Path, switch: str, printed: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{}")
    environment = {
        **os.environ,
        "AIRFLOW_SIDECAR_WEBHOOK__NATIVE_SIDECARS": switch,
        "KUBECONFIG": str(kubeconfig),
        "KUBERNETES_SERVICE_HOST": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS_NO_CLIENT], env=environment, capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split("\n")[0] == printed
