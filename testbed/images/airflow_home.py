"""The layers that make an Airflow image of Debian: the user's home with the entry point, then a real Airflow or a stand-in.

Paths and user are those of Airflow's own image (Dockerfile, 3.3).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from testbed.images.command import require_root, run
from testbed.images.debian import COMPILE, PYTHON_VERSION, debian
from testbed.images.layer import Layer, Owner, put, put_folder
from testbed.images.wheels import install

HERE: Final = Path(__file__).parent
HOME: Final = "home/airflow"
AIRFLOW_HOME: Final = "opt/airflow"
PACKAGES: Final = f"{HOME}/.local/lib/python{PYTHON_VERSION}/site-packages"
OWNERS: Final = (Owner("", 0, 0), Owner(HOME, 50000, 0), Owner(AIRFLOW_HOME, 50000, 0))


def home() -> Layer:
    """``/entrypoint``, the ``airflow`` program and Airflow's folders; no Airflow."""
    return Layer("airflow-home", (Path(__file__), HERE / "airflow" / "entrypoint", HERE / "airflow" / "launcher"), _make_home, OWNERS)


def _make_home(root: Path) -> None:
    put(root, "entrypoint", (HERE / "airflow" / "entrypoint").read_bytes(), 0o755)
    put_folder(root, HOME, 0o775)
    put(root, f"{HOME}/.local/bin/airflow", (HERE / "airflow" / "launcher").read_bytes(), 0o755)
    for folder in (AIRFLOW_HOME, f"{AIRFLOW_HOME}/dags", f"{AIRFLOW_HOME}/logs"):
        put_folder(root, folder, 0o775)


def stand_in() -> Layer:
    """The package ``airflow`` that runs no DAG, and says so."""
    return Layer("stand-in-airflow", (Path(__file__), *sorted((HERE / "airflow_like").rglob("*.py"))), _make_stand_in, OWNERS)


def _make_stand_in(root: Path) -> None:
    put_folder(root, HOME, 0o775)
    source = HERE / "airflow_like"
    for path in sorted(source.rglob("*.py")):
        put(root, f"{PACKAGES}/{path.relative_to(source)}", path.read_bytes())


def own_entrypoint() -> Layer:
    """``/own_entrypoint``, which runs ``/entrypoint``."""
    source = HERE / "airflow" / "own_entrypoint"
    return Layer("own-entrypoint", (Path(__file__), source), lambda root: put(root, source.name, source.read_bytes(), 0o755), OWNERS)


def vendor_entrypoint() -> Layer:
    """``/run-airflow.sh`` and, as its ``tini``, a link to dumb-init, which is called in the same way."""
    source = HERE / "airflow" / "run-airflow.sh"

    def make(root: Path) -> None:
        put(root, source.name, source.read_bytes(), 0o755)
        put_folder(root, "usr/bin")
        (root / "usr" / "bin" / "tini").symlink_to("dumb-init")

    return Layer("vendor-entrypoint", (Path(__file__), source), make, OWNERS)


def packages() -> Layer:
    """The real Airflow with its Kubernetes provider, as ``airflow/requirements.txt`` pins them."""
    requirements = HERE / "airflow" / "requirements.txt"
    return Layer("airflow-packages", (Path(__file__), HERE / "wheels.py", requirements, debian()), _make_packages, OWNERS)


def _make_packages(root: Path) -> None:
    require_root("the Airflow layer")
    put_folder(root, HOME, 0o775)
    put_folder(root, PACKAGES)
    install(HERE / "airflow" / "requirements.txt", root / PACKAGES)
    # Their first lines name the Python that unpacked them.
    shutil.rmtree(root / PACKAGES / "bin")
    compile_inside = 'mount --bind "$1/home" "$2/home"; shift; exec chroot "$@"'
    run("unshare", "--mount", "sh", "-ec", compile_inside, "sh", root, debian().folder(), *COMPILE, f"/{PACKAGES}", package="util-linux")
