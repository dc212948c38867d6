"""``explain`` and ``patch``, through the program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml

from demo.simulated_injectors import inject_istio
from tests.support.oracles.pod_validation import validate
from tests.support.pods import FIXTURES, SIMULATED, load
from webhook import __version__
from webhook.core import built_in_sidecars
from webhook.settings import PREFIX

POD = FIXTURES / "airflow-3.3.2-provider-10.25.0" / "kpo_cmds_args.json"


def run(*arguments: str, given: str = "", code: int = 0, **environment: str) -> str:
    """Run the program; what it says on stdout, or on stderr when it is to fail."""
    done = subprocess.run(
        [sys.executable, "-m", "webhook", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "", **environment},
    )
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def explained(*arguments: str, given: str = "") -> list[dict[str, Any]]:
    """What ``explain -o json`` says."""
    answer: list[dict[str, Any]] = json.loads(run("explain", "-o", "json", *arguments, given=given))
    return answer


def test_the_version_is_told() -> None:
    assert run("--version").strip() == __version__


def test_explain_says_which_rule_and_why_and_shows_the_difference() -> None:
    text = run("explain", "-", given=json.dumps(inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"))))

    assert "airflow/hello-world-1-v6bc1e7o" in text
    assert (
        "wrapped (sidecars-quit): The main container waits for its sidecars, runs the task, then sends each sidecar its quit request."
        in text
    )
    assert "sidecars     istio-proxy: quit" in text
    assert "  +    - airflow-sidecar-webhook\n" in text
    assert "\x1b" not in text


def test_explain_does_not_show_the_script_itself() -> None:
    assert "asw_" not in run("explain", "-", given=json.dumps(inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"))))


@pytest.mark.parametrize(
    "given",
    [
        json.dumps(load("airflow-3.3.2-provider-10.25.0/ke_default.json")),
        yaml.safe_dump(load("airflow-3.3.2-provider-10.25.0/ke_default.json")),
        json.dumps({"kind": "List", "items": [load("airflow-3.3.2-provider-10.25.0/ke_default.json")]}),
        json.dumps([load("airflow-3.3.2-provider-10.25.0/ke_default.json")]),
        json.dumps({"kind": "PodList", "items": [load("airflow-3.3.2-provider-10.25.0/ke_default.json") | {"kind": "Pod"}]}),
        "---\n" + yaml.safe_dump(load("airflow-3.3.2-provider-10.25.0/ke_default.json")) + "---\n",
        (SIMULATED / "airflow-3.3.2-provider-10.25.0" / "ke_default.json").read_text("utf-8"),
    ],
    ids=["JSON", "YAML", "List", "array", "PodList", "documents", "AdmissionReview"],
)
def test_a_pod_is_read_in_every_shape(given: str) -> None:
    (one,) = explained("-", given=given)

    assert (one["pod"], one["result"], one["reason"]) == ("airflow/example-dag-extract-v6bc1e7o", "labelled", "no-sidecar")
    assert one["status"] == {"treatment": "labelled", "reason": "no-sidecar", "main": "base"}


def test_several_pods_are_explained_in_their_order() -> None:
    given = "---\n".join(yaml.safe_dump(load(f"airflow-3.3.2-provider-10.25.0/{name}.json")) for name in ("ke_default", "kpo_hostnetwork"))

    assert [one["reason"] for one in explained("-", given=given)] == ["no-sidecar", "not-in-mesh"]


def test_a_pod_without_a_namespace_is_in_the_one_that_is_named() -> None:
    pod = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
    del pod["metadata"]["namespace"]

    assert explained("-n", "data", "-", given=json.dumps(pod))[0]["pod"] == "data/example-dag-extract-v6bc1e7o"


def test_patch_prints_an_array_that_applies() -> None:
    pod = inject_istio(json.loads(POD.read_text("utf-8")))
    after = jsonpatch.apply_patch(pod, json.loads(run("patch", "-", given=json.dumps(pod))))

    assert validate(after) == []
    assert after["spec"]["containers"][0]["command"][0] == "/bin/sh"


def test_patch_prints_an_empty_array_where_nothing_changes() -> None:
    assert json.loads(run("patch", str(FIXTURES / "airflow-3.3.2-provider-10.25.0" / "kpo_hostnetwork.json"))) == []


INJECTED = json.dumps(inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json")))
NOT_YET = json.dumps(load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"))
ASK = "sidecar.istio.io/nativeSidecar"


def test_without_a_version_no_native_sidecar_is_used_and_the_text_says_how_to_say_otherwise() -> None:
    first, *_ = run("explain", "-", given=INJECTED).splitlines()

    assert first.startswith("cluster: its version is not known, so native sidecars are not used; --cluster-version says otherwise")
    assert explained("-", given=INJECTED)[0]["cluster"] == {"support": "unknown", "version": None}


CLUSTERS = {
    "able": (["--cluster-version", "1.34"], {}, ("ready", "1.34.0"), "native"),
    "the least": (["--cluster-version", "v1.29.3-eks-1"], {}, ("ready", "1.29.3"), "native"),
    "old kubelets": (["--cluster-version", "1.29"], {}, ("old-kubelet", "1.29.0"), "wrapped"),
    "an old server": (["--cluster-version", "1.28"], {}, ("old-server", "1.28.0"), "wrapped"),
    "another minimum": (["--cluster-version", "1.32"], {"MINIMUM_KUBELET": "1.33"}, ("old-kubelet", "1.32.0"), "wrapped"),
    "forced on": ([], {"NATIVE_SIDECARS": "on"}, ("forced-on", None), "native"),
    "forced off": (["--cluster-version", "1.34"], {"NATIVE_SIDECARS": "off"}, ("forced-off", "1.34.0"), "wrapped"),
}


@pytest.mark.parametrize(("arguments", "settings", "cluster", "result"), CLUSTERS.values(), ids=CLUSTERS)
def test_a_pod_is_explained_for_a_cluster_that_is_not_there(
    arguments: list[str], settings: dict[str, str], cluster: tuple[str, str | None], result: str
) -> None:
    variables = {f"{PREFIX}{name}": value for name, value in settings.items()}
    (one,) = json.loads(run("explain", "-o", "json", *arguments, "-", given=INJECTED, code=0, **variables))

    assert (one["cluster"]["support"], one["cluster"]["version"]) == cluster
    assert one["result"] == result


@pytest.mark.parametrize(("arguments", "settings", "cluster", "_"), CLUSTERS.values(), ids=CLUSTERS)
def test_the_text_says_in_a_line_what_cluster_it_is_for(
    arguments: list[str], settings: dict[str, str], cluster: tuple[str, str | None], _: str
) -> None:
    variables = {f"{PREFIX}{name}": value for name, value in settings.items()}
    first, *_rest = run("explain", *arguments, "-", given=INJECTED, code=0, **variables).splitlines()

    assert first.startswith(f"cluster: Kubernetes {cluster[1]} on every node; " if cluster[1] else "cluster: its version is not known; ")
    assert first.endswith(f"({cluster[0]})")


def test_an_injector_that_is_installed_is_asked_before_it_has_injected() -> None:
    able = ("--cluster-version", "1.34")

    assert ASK not in run("patch", *able, "-", given=NOT_YET)
    assert ASK in run("patch", *able, "--injected-by", "istio", "-", given=NOT_YET)
    assert ASK in run("patch", *able, "--injected-by", "vault", "--injected-by", "istio", "-", given=NOT_YET)


def test_patch_answers_for_a_cluster_too() -> None:
    pod = json.loads(INJECTED)
    native, wrapped = (
        jsonpatch.apply_patch(pod, json.loads(run("patch", "--cluster-version", version, "-", given=INJECTED)))
        for version in ("1.34", "1.28")
    )

    assert [one["name"] for one in native["spec"]["initContainers"] if one.get("restartPolicy") == "Always"] == ["istio-proxy"]
    assert wrapped["spec"]["containers"][0]["command"][0] == "/bin/sh"


def test_an_injector_that_is_not_known_is_refused_with_the_ones_that_are() -> None:
    told = run("explain", "--injected-by", "istoi", "-", given=NOT_YET, code=2)

    known = ", ".join(row.id for row in built_in_sidecars() if row.injected_by)
    assert told == f"airflow-sidecar-webhook: --injected-by istoi: not the id of a sidecar whose injector is known; allowed are {known}\n"


def test_an_own_row_with_an_injector_may_be_named(tmp_path: Path) -> None:
    rows = tmp_path / "rows.yaml"
    rows.write_text("[{id: mine, title: Mine, sources: [here], injected_by: [pods.mine.example]}]", "utf-8")

    run("explain", "--injected-by", "mine", "-", given=NOT_YET, code=0, **{f"{PREFIX}SIDECARS_FILE": str(rows)})


@pytest.mark.parametrize("version", ["", "new", "1", "1.x", "-1.2"])
def test_a_version_that_is_none_is_refused(version: str) -> None:
    assert f"argument --cluster-version: {version!r} is no version like 1.34 or v1.29.3" in run(
        "explain", f"--cluster-version={version}", "-", code=2
    )


def test_settings_hold_here_too() -> None:
    text = run("explain", str(POD), AIRFLOW_SIDECAR_WEBHOOK__MODE="off")

    assert "skipped (switched-off)" in text


UNUSABLE = {
    "no such file": (["patch", "none.yaml"], "", "none.yaml: cannot be read: No such file or directory"),
    "no YAML": (["explain", "-"], "a: [", "stdin: is neither YAML nor JSON: "),
    "no UTF-8": (["explain", "-"], "\udcff", "stdin: is neither YAML nor JSON: "),
    "empty": (["explain", "-"], "", "stdin: is empty; allowed is a Pod, a List or PodList of them, or an AdmissionReview, as YAML or JSON"),
    "another kind": (["explain", "-"], '[{"kind":"Pod"},{"kind":"Job"}]', "stdin: document 1[1]: kind is Job; allowed is a Pod, "),
    "a scalar": (["explain", "-"], "hello", "stdin: document 1: there is no kind; allowed is a Pod, "),
    "too deep": (["explain", "-"], "[" * 100_000, "stdin: is neither YAML nor JSON: "),
    "several pods for patch": (
        ["patch", "-"],
        '[{"kind":"Pod"},{"kind":"Pod"}]',
        "-: holds 2 pods; patch takes one, explain -o json takes any number",
    ),
    "a bad setting": (["explain", "--config", "/none", "-"], "", "/none: cannot be read as YAML: "),
}


@pytest.mark.parametrize(("arguments", "given", "problem"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_told_in_a_line_with_code_2(arguments: list[str], given: str, problem: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "webhook", *arguments],
        input=given.encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"airflow-sidecar-webhook: {problem}")
    assert b"Traceback" not in done.stderr


def test_an_unknown_command_has_code_2_and_the_usage() -> None:
    assert "invalid choice: 'frobnicate'" in run("frobnicate", code=2)


def test_a_pod_of_wrong_types_is_explained_as_such() -> None:
    (one,) = explained("-", given='{"kind": "Pod", "metadata": {"labels": [1]}}')

    assert one["reason"] == "malformed-pod"
    assert one["warnings"] == [
        "airflow-sidecar-webhook leaves the pod unchanged: Expected `object | null`, got `array` - at `$.request.object.metadata.labels`"
    ]


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m webhook explain {POD} | head -c 1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)

    assert done.stderr == ""


def test_the_modules_own_entry_is_the_program() -> None:
    assert Path(sys.executable).with_name("airflow-sidecar-webhook").exists()
