"""A cluster of one node: the control plane, containerd, a kubelet and kube-proxy, in a machine of their own."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import yaml

from testbed import binaries, cache, prerequisites
from testbed.api_server import ApiServer
from testbed.clock import Clock
from testbed.images.catalogue import pause
from testbed.remains import CGROUPS, cgroup

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.api import JSONObject
    from testbed.binaries import Program
    from testbed.images.archive import LoadableImage
    from testbed.machine import Machine
    from testbed.process import Process


NAME: Final = "node"
POD_ADDRESSES: Final = "10.244.0.0/24"
CONTAINERD_SOCKET: Final = "/run/containerd/containerd.sock"
READY_SECONDS: Final = 120
POD_PIDS_LIMIT: Final = 1024

CPU_SHARES: Final = {"cpu.shares": "10240", "cpu.weight": "1000"}
"""Ten times the default, by file: of cgroup version 1, of version 2."""

SERVES_PODS: Final = "Start streaming server"
"""The last line that containerd logs before it serves a kubelet (containerd pkg/cri/cri.go, Run); it serves other clients earlier."""

CONTAINERD: Final = """
version = 2
root = "{root}"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # In many CI systems CAP_SYS_RESOURCE is missing: no process may lower its score, and without this every pod would fail.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{networks}"
"""

NETWORK: Final = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": POD_ADDRESSES}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


class NodeCluster:
    """A running cluster of one node."""

    def __init__(self, machine: Machine) -> None:
        """Start everything, and wait until the node is ready. RuntimeError with a log: it does not become ready."""
        self.machine = machine
        self._pause = pause()
        self._store = cache.folder() / "nodes" / str(machine.number)
        self.server = ApiServer(machine, ())
        self.api = self.server.api
        self._containerd = self._start_containerd()
        self.load(self._pause)
        self._kubelet = self._start_kubelet()
        self._controllers = self._start_controllers()
        self._others = [self._controllers, self._start_scheduler(), self._start_proxy()]
        self._kubelet.ready(self._is_ready, "has its node ready", READY_SECONDS)

    def end(self) -> None:
        """End it, in an order in which no component waits for one that has ended; the images stay for the next run."""
        for process in (*self._others, self._kubelet):
            process.end()
        self._remove_pods()
        if self._containerd.end() == 0:
            (self._store / "clean").touch()
        self.server.end()

    def clocks(self) -> list[Clock]:
        """The clocks of the running API server, controllers and kubelet, which judge dates and issue tokens. OSError."""
        return [Clock(process.pid) for process in (self.server, self._controllers, self._kubelet)]

    def ctr(self, *arguments: str | Path, seconds: float = 300) -> str:
        """Run a command of containerd's client; its output. RuntimeError."""
        return self.machine.run("ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", *arguments, seconds=seconds)

    def load(self, image: LoadableImage) -> str:
        """Import an image unless the node has it; the name for a pod's ``image`` field. RuntimeError, ImageError."""
        if image.reference not in self.ctr("images", "list", "--quiet").split():
            self.ctr("images", "import", image.archive())
        return image.reference

    def _is_ready(self) -> bool:
        nodes = self.api.get("/api/v1/nodes")["items"]
        conditions = [condition for node in nodes for condition in node["status"].get("conditions", ())]
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def _start_containerd(self) -> Process:
        # A killed run leaves pods in the store that no kubelet knows: start with an empty one.
        if not (self._store / "clean").exists():
            cache.remove(self._store)
        (self._store / "clean").unlink(missing_ok=True)
        networks = self.machine.folder / "networks"
        networks.mkdir()
        (networks / "pods.conflist").write_text(json.dumps(NETWORK))
        configuration = self.machine.folder / "containerd.toml"
        facts = {"root": self._store / "containerd", "socket": CONTAINERD_SOCKET, "pause": self._pause.reference}
        configuration.write_text(CONTAINERD.format(**facts, plugins=prerequisites.CNI_PLUGINS, networks=networks))
        process = self.machine.start("containerd", ["containerd", "--config", configuration])
        process.ready(lambda: SERVES_PODS in process.log.read_text("utf-8"), "serves pods")
        return process

    def _remove_pods(self) -> None:
        for task in self.ctr("tasks", "list", "--quiet").split():
            # It may end by itself at this moment.
            with suppress(RuntimeError):
                self.ctr("tasks", "delete", "--force", task)
        for container in self.ctr("containers", "list", "--quiet").split():
            self.ctr("containers", "delete", container)

    def _start_controllers(self) -> Process:
        files = self.server.credentials
        return self._start_beside_server(
            binaries.KUBE_CONTROLLER_MANAGER,
            f"--root-ca-file={files.authority_file}",
            f"--service-account-private-key-file={files.service_account_key_file}",
            f"--cluster-signing-cert-file={files.authority_file}",
            f"--cluster-signing-key-file={files.authority_key_file}",
            "--use-service-account-credentials",
        )

    def _start_scheduler(self) -> Process:
        return self._start_beside_server(binaries.KUBE_SCHEDULER)

    def _start_beside_server(self, program: Program, *options: str) -> Process:
        """Start a part of the control plane, as its only replica and as the user that RBAC knows by its name."""
        kubeconfig = self._kubeconfig(f"system:{program.name}")
        usual = (f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--bind-address=127.0.0.1")
        return self.machine.start(program.name, [binaries.find(program), *usual, *options])

    def _start_kubelet(self) -> Process:
        self.server.credentials.server("kubelet", [self.machine.address, NAME])
        self._make_cgroups()
        command = [
            str(binaries.find(binaries.KUBELET)),
            f"--config={self._written('kubelet', self._kubelet_configuration())}",
            f"--kubeconfig={self._kubeconfig(f'system:node:{NAME}', 'system:nodes')}",
            f"--root-dir={self.machine.folder / 'kubelet'}",
            f"--hostname-override={NAME}",
            f"--node-ip={self.machine.address}",
        ]
        return self.machine.start("kubelet", command)

    def _kubelet_configuration(self) -> JSONObject:
        files = self.server.credentials
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup(self.machine.number)}",
            "failCgroupV1": False,
            "failSwapOn": False,
            # As with cgroup version 1: version 2 would end the whole container by default, and no wrapper could react.
            "singleProcessOOMKill": True,
            "enforceNodeAllocatable": [],
            # As many clusters have one. More than the largest pod here needs.
            "podPidsLimit": POD_PIDS_LIMIT,
            "evictionHard": {"memory.available": "64Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            # Never delete images to free disk space.
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "resolvConf": "",
            "podLogsDir": str(self.machine.folder / "pod-logs"),
            "volumePluginDir": str(self.machine.folder / "volume-plugins"),
            "tlsCertFile": str(files.certificate_file("kubelet")),
            "tlsPrivateKeyFile": str(files.key_file("kubelet")),
            "authentication": {"x509": {"clientCAFile": str(files.authority_file)}, "anonymous": {"enabled": False}},
            "authorization": {"mode": "Webhook"},
            # With the default of 50 requests a second, the limit would determine how fast pods start and end here.
            "kubeAPIQPS": 1000,
            "kubeAPIBurst": 2000,
            "serializeImagePulls": False,
        }

    def _start_proxy(self) -> Process:
        configuration = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "bindAddress": "127.0.0.1",
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "hostnameOverride": NAME,
            "clientConnection": {"kubeconfig": str(self._kubeconfig("system:kube-proxy"))},
            # 0: do not change the kernel's connection tables, which are the host's.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
        }
        command = [str(binaries.find(binaries.KUBE_PROXY)), f"--config={self._written('kube-proxy', configuration)}"]
        return self.machine.start("kube-proxy", command)

    def _kubeconfig(self, user: str, *groups: str) -> Path:
        self.server.credentials.client(user, *groups)
        return self.server.credentials.kubeconfig(self.server.server, user)

    def _written(self, name: str, configuration: JSONObject) -> Path:
        path = self.machine.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(configuration))
        return path

    def _make_cgroups(self) -> None:
        """Create the node's cgroup in each hierarchy of version 1, or in the one of version 2."""
        name = cgroup(self.machine.number)
        hierarchies = [CGROUPS] if (CGROUPS / "cgroup.controllers").exists() else [path for path in CGROUPS.iterdir() if path.is_dir()]
        for hierarchy in hierarchies:
            (hierarchy / name).mkdir(exist_ok=True)
            _hand_down_cpuset(hierarchy, name)
            _raise_cpu_share(hierarchy / name)


def _raise_cpu_share(group: Path) -> None:
    """Give the node's pods the share of ten processes: as one group they would have that of one, however many they are (cgroups(7))."""
    for file, share in CPU_SHARES.items():
        if (group / file).exists():
            (group / file).write_text(share)


def _hand_down_cpuset(hierarchy: Path, name: str) -> None:
    """Copy the parent's CPUs and memory nodes: a new cpuset is empty (cpuset(7)), and nothing runs in an empty one."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        if (hierarchy / file).exists() and (hierarchy / name / file).exists():
            (hierarchy / name / file).write_text((hierarchy / file).read_text())
