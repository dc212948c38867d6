"""Finds the programs of a cluster and some tools, or builds them from the Go modules in ``tools`` into the cache.

A program in ``KUBEBUILDER_ASSETS`` or on the PATH is used if it prints the pinned minor version. ``tools/*/go.mod`` are the only place
with versions.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testbed import cache

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOLS: Final = Path(__file__).parent / "tools"


@dataclass(frozen=True, slots=True)
class Program:
    """A program, and the Go package that it is built from.

    Args:
        name: Its file name.
        module: The folder below ``tools`` with its go.mod.
        package: Its Go import path.
        requirement: The module whose version it carries.
        version_arguments: Make it print its version. Empty: it is always built, since no other one can be checked.

    """

    name: str
    module: str
    package: str
    requirement: str
    version_arguments: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The pinned version, like ``v1.34.4``."""
        return pinned_version(self.module, self.requirement)

    @property
    def minor(self) -> str:
        """The pinned version without its patch, like ``1.34.``."""
        return ".".join(self.version.removeprefix("v").split(".")[:2]) + "."


def pinned_version(module: str, requirement: str) -> str:
    """The version of a required module, like ``v1.34.4``. ``module``: a folder below ``tools``."""
    text = (TOOLS / module / "go.mod").read_text("utf-8")
    found = re.search(rf"^(?:require|\s)\s*{re.escape(requirement)} (v\S+)", text, re.MULTILINE)
    assert found, f"{module}/go.mod does not require {requirement}"
    return found[1]


def _kubernetes(name: str, module: str = "kubernetes", version_arguments: tuple[str, ...] = ("--version",)) -> Program:
    return Program(name, module, f"k8s.io/kubernetes/cmd/{name}", "k8s.io/kubernetes", version_arguments)


KUBE_APISERVER: Final = _kubernetes("kube-apiserver")
NEWEST_KUBE_APISERVER: Final = _kubernetes("kube-apiserver", "kubernetes-newest", version_arguments=())
KUBE_CONTROLLER_MANAGER: Final = _kubernetes("kube-controller-manager")
KUBE_SCHEDULER: Final = _kubernetes("kube-scheduler")
KUBELET: Final = _kubernetes("kubelet")
KUBE_PROXY: Final = _kubernetes("kube-proxy")
KUBECTL: Final = _kubernetes("kubectl", version_arguments=("version", "--client"))
ETCD: Final = Program("etcd", "etcd", ".", "go.etcd.io/etcd/server/v3", ("--version",))
HELM: Final = Program("helm", "helm", "helm.sh/helm/v3/cmd/helm", "helm.sh/helm/v3", ("version",))
PILOT_DISCOVERY: Final = Program("pilot-discovery", "istio", "istio.io/istio/pilot/cmd/pilot-discovery", "istio.io/istio")
PILOT_AGENT: Final = Program("pilot-agent", "istio", "istio.io/istio/pilot/cmd/pilot-agent", "istio.io/istio")
CERT_MANAGER: Final = Program("cert-manager", "cert-manager", ".", "github.com/cert-manager/cert-manager")
ACTIONLINT: Final = Program(
    "actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", "github.com/rhysd/actionlint", ("-version",)
)
GITOPS: Final = Program("gitops", "gitops", ".", "github.com/argoproj/argo-cd/gitops-engine")

PROGRAMS: Final = (
    KUBE_APISERVER,
    KUBE_CONTROLLER_MANAGER,
    KUBE_SCHEDULER,
    KUBELET,
    KUBE_PROXY,
    KUBECTL,
    ETCD,
    PILOT_DISCOVERY,
    PILOT_AGENT,
    HELM,
    NEWEST_KUBE_APISERVER,
    GITOPS,
    CERT_MANAGER,
)
"""Those of a cluster, in the order of their build. The packages of the newest Kubernetes are most of those that GITOPS is built from."""


class NoGoError(RuntimeError):
    """A program is missing, and so is Go to build it with."""


class BuildError(Exception):
    """Go could not build or download a program."""


def find(program: Program) -> Path:
    """The program's path. It is built where it is missing, which takes minutes. NoGoError, BuildError."""
    return _found(program) or _built(program)


def download(programs: Sequence[Program]) -> None:
    """Download the Go modules of the programs that are still to be built. What fails here, `find` reports."""
    packages: dict[str, list[str]] = {}
    for program in programs:
        if shutil.which("go") and not (_found(program) or _cached(program).exists()):
            packages.setdefault(program.module, []).append(program.package)
    for module, needed in packages.items():
        # Loading packages downloads the modules that their build needs; `go mod download` takes those of their tests as well.
        subprocess.run([_go(), "list", "-deps", *needed], cwd=TOOLS / module, env=_environment(), check=False, capture_output=True)


def source_folder(module: str, requirement: str) -> Path:
    """The folder with the source of a required module. ``module``: a folder below ``tools``. NoGoError, BuildError."""
    version = pinned_version(module, requirement)
    # With its version, since Go would otherwise first read the go.mod of every module that this one requires.
    command = [_go(), "mod", "download", "-json", f"{requirement}@{version}"]
    ended = subprocess.run(command, cwd=TOOLS / module, check=False, stdout=subprocess.PIPE, text=True)
    if ended.returncode:
        message = f"{requirement} {version} cannot be downloaded: {ended.stdout.strip()}"
        raise BuildError(message)
    return Path(json.loads(ended.stdout)["Dir"])


def _found(program: Program) -> Path | None:
    if not program.version_arguments:
        return None
    for places in filter(None, (os.environ.get("KUBEBUILDER_ASSETS"), os.environ.get("PATH"))):
        path = shutil.which(program.name, path=places)
        if path and _is_pinned(program, path):
            return Path(path)
    return None


def _is_pinned(program: Program, path: str) -> bool:
    output = subprocess.run([path, *program.version_arguments], check=False, capture_output=True, text=True, timeout=30).stdout
    return program.minor in output


def _cached(program: Program) -> Path:
    sources = sorted(path for path in (TOOLS / program.module).iterdir() if path.suffix in {".go", ".mod", ".sum"})
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    return cache.folder() / "programs" / f"{program.module}-{program.version}-{digest}" / program.name


def _built(program: Program) -> Path:
    target = _cached(program)
    if target.exists():
        return target
    # One build at a time: the linker of one of these needs 2 GB, and two would not be faster.
    with cache.locked(cache.folder() / "programs" / ".building"):
        return cache.made(target, lambda unfinished: _build(program, unfinished))


def _build(program: Program, target: Path) -> None:
    go = _go()
    _say(f"building {program.name} {program.version}, which takes minutes the first time …")
    began = time.monotonic()
    command = [go, "build", "-trimpath", "-ldflags", _linker_flags(program), "-o", str(target), program.package]
    ended = subprocess.run(command, cwd=TOOLS / program.module, env=_environment(), check=False, stdout=sys.stderr)
    if ended.returncode:
        message = f"{program.name} {program.version} cannot be built: see what Go says above"
        raise BuildError(message)
    _say(f"built {program.name} in {time.monotonic() - began:.0f} s")


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}


def _linker_flags(program: Program) -> str:
    """Without debugging symbols. Kubernetes gets its version here: without it, it reports v0.0.0."""
    if program.requirement != "k8s.io/kubernetes":
        return "-s -w"
    major, minor, _ = program.version.removeprefix("v").split(".", 2)
    facts = {"gitVersion": program.version, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in facts.items())])


def _go() -> str:
    path = shutil.which("go")
    if path is None:
        message = "Go is needed to build programs that are not here: install Go 1.26 or newer, or set KUBEBUILDER_ASSETS to their folder"
        raise NoGoError(message)
    return path


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
