"""Finds the programs of a cluster, or builds them from the Go modules in ``tools`` into the cache.

A program counts as found when it says the pinned minor version: first in ``KUBEBUILDER_ASSETS``, then on the PATH. Versions stand in
``tools/*/go.mod`` and nowhere else.
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
from typing import Final

from testbed import cache

TOOLS: Final = Path(__file__).parent / "tools"


@dataclass(frozen=True, slots=True)
class Program:
    """A program, and where its source is.

    Args:
        name: Its file name.
        module: The folder below ``tools`` with its go.mod.
        package: What is built, as Go imports it.
        requirement: The module whose version it carries.
        asks: The arguments that make it print its version; none: a program found elsewhere is not trusted to be the pinned one.

    """

    name: str
    module: str
    package: str
    requirement: str
    asks: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The pinned version, like ``v1.34.4``."""
        text = (TOOLS / self.module / "go.mod").read_text("utf-8")
        found = re.search(rf"^(?:require|\s)\s*{re.escape(self.requirement)} (v\S+)", text, re.MULTILINE)
        assert found, f"{self.module}/go.mod does not require {self.requirement}"
        return found[1]

    @property
    def minor(self) -> str:
        """The pinned version without its patch, like ``1.34.``."""
        return ".".join(self.version.removeprefix("v").split(".")[:2]) + "."


def _kubernetes(name: str, module: str = "kubernetes", asks: tuple[str, ...] = ("--version",)) -> Program:
    return Program(name, module, f"k8s.io/kubernetes/cmd/{name}", "k8s.io/kubernetes", asks)


KUBE_APISERVER: Final = _kubernetes("kube-apiserver")
NEWEST_KUBE_APISERVER: Final = _kubernetes("kube-apiserver", "kubernetes-newest", asks=())
KUBE_CONTROLLER_MANAGER: Final = _kubernetes("kube-controller-manager")
KUBE_SCHEDULER: Final = _kubernetes("kube-scheduler")
KUBELET: Final = _kubernetes("kubelet")
KUBE_PROXY: Final = _kubernetes("kube-proxy")
KUBECTL: Final = _kubernetes("kubectl", asks=("version", "--client"))
ETCD: Final = Program("etcd", "etcd", ".", "go.etcd.io/etcd/server/v3", ("--version",))
HELM: Final = Program("helm", "helm", "helm.sh/helm/v3/cmd/helm", "helm.sh/helm/v3", ("version",))
PILOT_DISCOVERY: Final = Program("pilot-discovery", "istio", "istio.io/istio/pilot/cmd/pilot-discovery", "istio.io/istio")
PILOT_AGENT: Final = Program("pilot-agent", "istio", "istio.io/istio/pilot/cmd/pilot-agent", "istio.io/istio")
CERT_MANAGER: Final = Program("cert-manager", "cert-manager", ".", "github.com/cert-manager/cert-manager")

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
    CERT_MANAGER,
)
"""In the order in which a bare machine builds them."""


class NoGoError(RuntimeError):
    """A program is not there, and neither is Go to build it with."""


class BuildError(Exception):
    """Go is there, and could not do it."""


def find(program: Program) -> Path:
    """Where the program is; it is built if it has to be, which takes minutes the first time. NoGoError, BuildError."""
    return _found(program) or _built(program)


def source_folder(program: Program) -> Path:
    """The source of the module whose version the program carries. NoGoError, BuildError."""
    command = [_go(), "mod", "download", "-json", program.requirement]
    told = subprocess.run(command, cwd=TOOLS / program.module, check=False, stdout=subprocess.PIPE, text=True)
    if told.returncode:
        message = f"{program.requirement} {program.version} cannot be downloaded: {told.stdout.strip()}"
        raise BuildError(message)
    return Path(json.loads(told.stdout)["Dir"])


def _found(program: Program) -> Path | None:
    if not program.asks:
        return None
    for places in filter(None, (os.environ.get("KUBEBUILDER_ASSETS"), os.environ.get("PATH"))):
        path = shutil.which(program.name, path=places)
        if path and _is_pinned(program, path):
            return Path(path)
    return None


def _is_pinned(program: Program, path: str) -> bool:
    said = subprocess.run([path, *program.asks], check=False, capture_output=True, text=True, timeout=30).stdout
    return program.minor in said


def _cached(program: Program) -> Path:
    sources = sorted(path for path in (TOOLS / program.module).iterdir() if path.suffix in {".go", ".mod", ".sum"})
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    return cache.folder() / "programs" / f"{program.module}-{program.version}-{digest}" / program.name


def _built(program: Program) -> Path:
    target = _cached(program)
    if target.exists():
        return target
    # One build at a time: the linker of one of these needs 2 GB, and two would only take turns.
    with cache.locked(cache.folder() / "programs" / ".building"):
        return cache.kept(target, lambda unfinished: _build(program, unfinished))


def _build(program: Program, target: Path) -> None:
    go = _go()
    _say(f"building {program.name} {program.version}, which takes minutes the first time …")
    began = time.monotonic()
    command = [go, "build", "-trimpath", "-ldflags", _linker_flags(program), "-o", str(target), program.package]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    ended = subprocess.run(command, cwd=TOOLS / program.module, env=environment, check=False, stdout=sys.stderr)
    if ended.returncode:
        message = f"{program.name} {program.version} cannot be built: see what Go says above"
        raise BuildError(message)
    _say(f"built {program.name} in {time.monotonic() - began:.0f} s")


def _linker_flags(program: Program) -> str:
    """Without debugging symbols; Kubernetes is told its version, else it takes itself for v0.0.0."""
    if program.requirement != "k8s.io/kubernetes":
        return "-s -w"
    major, minor, _ = program.version.removeprefix("v").split(".", 2)
    facts = {"gitVersion": program.version, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in facts.items())])


def _go() -> str:
    path = shutil.which("go")
    if path is None:
        message = "Go is needed to build the programs of a cluster: install Go 1.26 or newer, or set KUBEBUILDER_ASSETS"
        raise NoGoError(message)
    return path


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
