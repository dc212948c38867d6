"""The cluster that ``explain`` and ``patch`` assume."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio
from tests.support.pods import load
from webhook.core import default_policy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import InProcessProgram

NOT_INJECTED: Final = json.dumps(load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"))
INJECTED: Final = json.dumps(inject_istio(json.loads(NOT_INJECTED)))
HINT: Final = "sidecar.istio.io/nativeSidecar"


def test_without_a_version_no_native_sidecar_is_used_and_the_text_says_how_to_set_one(program: InProcessProgram) -> None:
    first, *_ = program("explain", "-", stdin=INJECTED).splitlines()
    (one,) = program.explained("-", stdin=INJECTED)

    assert first.startswith("cluster: version unknown, so native sidecars are not used; set it with --cluster-version, ")
    assert one["cluster"] == {"support": "unknown", "version": None}


CLUSTERS: Final = {
    "new enough": (["--cluster-version", "1.34"], {}, ("ready", "1.34.0"), "native"),
    "the oldest that is": (["--cluster-version", "v1.29.3-eks-1"], {}, ("ready", "1.29.3"), "native"),
    "old kubelets": (["--cluster-version", "1.29"], {}, ("old-kubelet", "1.29.0"), "wrapped"),
    "an old server": (["--cluster-version", "1.28"], {}, ("old-server", "1.28.0"), "wrapped"),
    "another minimum": (["--cluster-version", "1.32"], {"MINIMUM_KUBELET": "1.33"}, ("old-kubelet", "1.32.0"), "wrapped"),
    "forced on": ([], {"NATIVE_SIDECARS": "on"}, ("forced-on", None), "native"),
    "forced off": (["--cluster-version", "1.34"], {"NATIVE_SIDECARS": "off"}, ("forced-off", "1.34.0"), "wrapped"),
}


@pytest.mark.parametrize(("arguments", "settings", "cluster", "result"), CLUSTERS.values(), ids=CLUSTERS)
def test_a_pod_is_explained_for_the_assumed_cluster(
    program: InProcessProgram, arguments: list[str], settings: dict[str, str], cluster: tuple[str, str | None], result: str
) -> None:
    (one,) = program.explained(*arguments, "-", stdin=INJECTED, **settings)

    assert (one["cluster"]["support"], one["cluster"]["version"]) == cluster
    assert one["result"] == result


@pytest.mark.parametrize(("arguments", "settings", "cluster", "_"), CLUSTERS.values(), ids=CLUSTERS)
def test_the_first_line_of_the_text_is_the_assumed_cluster(
    program: InProcessProgram, arguments: list[str], settings: dict[str, str], cluster: tuple[str, str | None], _: str
) -> None:
    first, *_rest = program("explain", *arguments, "-", stdin=INJECTED, **settings).splitlines()

    assert first.startswith(f"cluster: Kubernetes {cluster[1]} on every node; " if cluster[1] else "cluster: version unknown; ")
    assert first.endswith(f"({cluster[0]})")


def test_an_installed_injector_gets_its_annotation_before_it_has_injected(program: InProcessProgram) -> None:
    patch = ("patch", "--cluster-version", "1.34")

    assert HINT not in program(*patch, "-", stdin=NOT_INJECTED)
    assert HINT in program(*patch, "--injected-by", "istio", "-", stdin=NOT_INJECTED)
    assert HINT in program(*patch, "--injected-by", "vault", "--injected-by", "istio", "-", stdin=NOT_INJECTED)


def test_an_unknown_injector_is_refused_with_the_known_ones(program: InProcessProgram) -> None:
    run = program.run("explain", "--injected-by", "istoi", "-", stdin=NOT_INJECTED)

    known = ", ".join(row.id for row in default_policy().catalogue.injected)
    assert (run.code, run.stdout) == (2, "")
    assert run.stderr == (
        f"airflow-sidecar-webhook: --injected-by istoi: not the id of a sidecar with a known injector; allowed are {known}\n"
    )


def test_a_row_of_the_sidecars_file_may_be_named(program: InProcessProgram, tmp_path: Path) -> None:
    rows = tmp_path / "rows.yaml"
    rows.write_text("[{id: mine, title: Mine, sources: [here], injected_by: [pods.mine.example]}]", "utf-8")

    assert program("explain", "--injected-by", "mine", "-", stdin=NOT_INJECTED, SIDECARS_FILE=str(rows))


@pytest.mark.parametrize("version", ["", "new", "1", "1.x", "-1.2"])
def test_a_version_that_cannot_be_read_is_refused(program: InProcessProgram, version: str) -> None:
    run = program.run("explain", f"--cluster-version={version}", "-")

    assert run.code == 2
    assert f"argument --cluster-version: {version!r} is not a version like 1.34 or v1.29.3" in run.stderr
