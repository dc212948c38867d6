"""The commands of the README and of the page it points to, as somebody types them who has a cluster, Helm and kubectl, and nothing else.

There is no registry here: in the place of the build and the push, the node is given the image under the name that they would have given it.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from cluster import binaries
from cluster.namespace import SERVICE_ACCOUNT, wait_until_ready
from cluster.wait import until
from cluster.webhook import OPTED_IN
from manifests.rendering import NAME
from tests.cluster.installation.installation import SECONDS
from tests.cluster.node.namespace import namespace_on
from tests.cluster.registration import task_pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.installation.installation import Installation
    from tests.cluster.node.namespace import Namespace

ROOT: Final = Path(__file__).parents[3]
PUSHED: Final = r"docker build --tag (\S+) \. && docker push \1"


def blocks(page: str, heading: str) -> list[str]:
    """The commands below a heading of a page, up to the next heading of that rank."""
    _, _, rest = (ROOT / page).read_text("utf-8").partition(f"\n## {heading}\n")
    return re.findall(r"^```sh\n(.*?)^```", rest.partition("\n## ")[0], re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def tasks(installation: Installation) -> Iterator[Namespace]:
    """A namespace of Airflow's that nobody has labelled."""
    with namespace_on(installation.level, "newcomer") as here:
        installation.level.api.patch(f"/api/v1/namespaces/{here.name}", {"metadata": {"labels": dict.fromkeys(OPTED_IN)}})
        wait_until_ready(installation.level.api, here.name, SERVICE_ACCOUNT)
        yield here


@pytest.fixture(scope="module")
def programs(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody with Helm, kubectl and a kubeconfig."""
    folder = tmp_path_factory.mktemp("programs")
    for program in (binaries.HELM, binaries.KUBECTL):
        (folder / program.name).symlink_to(binaries.find(program))
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "KUBECONFIG": str(installation.level.server.kubeconfig)}


def type_in(commands: str, tasks: Namespace, programs: dict[str, str]) -> str:
    """What a shell prints that is given them. CalledProcessError."""
    script = re.sub(r"\bNAMESPACE\b", tasks.name, commands)
    return subprocess.run(
        ["sh", "-ec", script], cwd=ROOT, env=programs, check=True, stdout=subprocess.PIPE, text=True, timeout=SECONDS
    ).stdout


@pytest.fixture
def before(installation: Installation) -> Iterator[set[str]]:
    """What was there; whatever a test that fails has installed is gone afterwards."""
    yield installation.objects()
    installation.kubectl("delete", "--ignore-not-found", "--filename=-", given=installation.manifest())


def test_from_zero_to_a_patched_pod_through_an_upgrade_and_back_to_nothing(
    installation: Installation, tasks: Namespace, before: set[str], programs: dict[str, str], task_image: str
) -> None:
    install, look = blocks("README.md", "Install it")
    upgrade, uninstall = blocks("docs/install.md", "Upgrade, roll back, uninstall")
    pushed = re.search(PUSHED, install)
    assert pushed
    installation.level.node.ctr("images", "tag", "--force", installation.image, pushed[1])

    type_in(install.replace(pushed[0], ""), tasks, programs)
    tasks.create(task_pod(tasks.name, "first", containers=[{"name": "base", "image": task_image, "command": ["true"]}]))
    assert '"reason":"no-sidecar"' in type_in(look, tasks, programs)

    type_in(upgrade, tasks, programs)
    until(lambda: installation.patches(tasks.name), "pods are patched", SECONDS)

    tasks.delete("first", 0)
    type_in(uninstall, tasks, programs)
    installation.wait_until_only(before)
    assert not installation.patches(tasks.name)
    assert NAME not in tasks.level.api.get(f"/api/v1/namespaces/{tasks.name}")["metadata"]["labels"]
