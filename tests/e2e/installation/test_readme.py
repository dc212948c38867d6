"""The commands of the README and of docs/install.md, typed by a newcomer who has a cluster, Helm and kubectl.

There is no registry here: instead of the build and the push, the image is tagged on the node with the name that they would have given it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from manifests.rendering import NAME
from testbed import binaries
from testbed.manifest import OPTED_IN
from testbed.namespace import SERVICE_ACCOUNT, wait_until_ready
from testbed.wait import until
from tests.e2e.installation.installation import SECONDS
from tests.e2e.node.namespace import namespace_on
from tests.e2e.registration import task_pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.installation.installation import Installation
    from tests.e2e.node.namespace import PodNamespace

ROOT: Final = Path(__file__).parents[3]
PUSHED: Final = r"docker build --tag (\S+) \. && docker push \1"


def blocks(page: str, heading: str) -> list[str]:
    """The commands below a heading of a page, up to the next heading."""
    _, _, rest = (ROOT / page).read_text("utf-8").partition(f"# {heading}\n")
    return re.findall(r"^```sh\n(.*?)^```", re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def tasks(installation: Installation) -> Iterator[PodNamespace]:
    """A namespace of Airflow's without the label."""
    with namespace_on(installation.level, "newcomer") as here:
        installation.level.api.patch(f"/api/v1/namespaces/{here.name}", {"metadata": {"labels": dict.fromkeys(OPTED_IN)}})
        wait_until_ready(installation.level.api, here.name, SERVICE_ACCOUNT, "configmaps/kube-root-ca.crt")
        yield here


@pytest.fixture(scope="module")
def programs(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables with Helm, kubectl and a kubeconfig."""
    folder = tmp_path_factory.mktemp("programs")
    for program in (binaries.HELM, binaries.KUBECTL):
        (folder / program.name).symlink_to(binaries.find(program))
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "KUBECONFIG": str(installation.level.server.kubeconfig)}


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A newcomer at a shell.

    Args:
        installation: The cluster; nothing is installed at first.
        tasks: The namespace of Airflow's tasks.
        programs: The environment variables.

    """

    installation: Installation
    tasks: PodNamespace
    programs: dict[str, str]

    def type_in(self, commands: str) -> str:
        """Run the commands in a shell; their output. CalledProcessError."""
        return self._shell(self._as_if_pushed(commands), check=True).stdout

    def doctor(self) -> list[str]:
        """The problems that the doctor finds."""
        done = self._shell("airflow-sidecar-webhook doctor --namespace NAMESPACE --output json", check=False)
        findings = json.loads(done.stdout)["findings"]
        problems = [finding["id"] for finding in findings if finding["severity"] == "problem"]
        assert done.returncode == (3 if problems else 0)
        return problems

    def _as_if_pushed(self, commands: str) -> str:
        pushed = re.search(PUSHED, commands)
        if not pushed:
            return commands
        name = self._shell(f"{commands[: pushed.start()]}\necho {pushed[1]}", check=True).stdout.strip()
        self.installation.level.node.ctr("images", "tag", "--force", self.installation.image, name)
        return commands.replace(pushed[0], "")

    def _shell(self, commands: str, *, check: bool) -> subprocess.CompletedProcess[str]:
        script = re.sub(r"\bNAMESPACE\b", self.tasks.name, commands)
        command = ["sh", "-ec", script]
        return subprocess.run(command, cwd=ROOT, env=self.programs, check=check, stdout=subprocess.PIPE, text=True, timeout=SECONDS)


@pytest.fixture
def newcomer(installation: Installation, tasks: PodNamespace, programs: dict[str, str]) -> Iterator[Newcomer]:
    """The newcomer; afterwards, what a failed test left installed is removed."""
    yield Newcomer(installation, tasks, programs)
    installation.kubectl("delete", "--ignore-not-found", "--filename=-", given=installation.manifest())


def test_from_zero_to_a_patched_pod_through_an_upgrade_and_back_to_nothing(newcomer: Newcomer, task_image: str) -> None:
    installation, tasks = newcomer.installation, newcomer.tasks
    install, label, inspect = blocks("README.md", "Install it")
    upgrade, rollback, uninstall = blocks("docs/install.md", "Upgrade, roll back, uninstall")
    (leaked,) = blocks("docs/certificates.md", "When the key has leaked")
    before = installation.objects()

    newcomer.type_in(install)
    assert newcomer.doctor() == ["not-opted-in"]
    newcomer.type_in(label)
    assert newcomer.doctor() == []
    tasks.create(task_pod(tasks.name, "first", containers=[{"name": "base", "image": task_image, "command": ["true"]}]))
    assert '"reason":"no-sidecar"' in newcomer.type_in(inspect)

    newcomer.type_in(upgrade)
    installation.wait_until_ready()
    newcomer.type_in(rollback)
    installation.wait_until_ready()
    authority = installation.bundle()
    newcomer.type_in(leaked)
    until(lambda: installation.bundle() not in {(), authority}, "another authority is trusted, alone", SECONDS)
    until(lambda: installation.patches(tasks.name), "pods are patched", SECONDS)
    assert set(authority).isdisjoint(installation.bundle())

    tasks.delete("first", 0)
    newcomer.type_in(uninstall)
    installation.wait_until_only(before)
    assert not installation.patches(tasks.name)
    assert NAME not in tasks.level.api.get(f"/api/v1/namespaces/{tasks.name}")["metadata"]["labels"]
