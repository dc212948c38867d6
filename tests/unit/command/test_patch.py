"""``patch``: the JSON patch that it prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import jsonpatch

from demo.simulated_injectors import inject_istio
from tests.support.oracles.pod_validation import validate
from tests.support.pods import FIXTURES, load

if TYPE_CHECKING:
    from tests.support.program import InProcessProgram

FOLDER: Final = "airflow-3.3.2-provider-10.25.0"
INJECTED: Final = json.dumps(inject_istio(load(f"{FOLDER}/kpo_cmds_args.json")))


def test_the_patch_is_an_array_that_applies(program: InProcessProgram) -> None:
    after = jsonpatch.apply_patch(json.loads(INJECTED), json.loads(program("patch", "-", stdin=INJECTED)))

    assert validate(after) == []
    assert after["spec"]["containers"][0]["command"][0] == "/bin/sh"


def test_the_patch_is_an_empty_array_where_nothing_changes(program: InProcessProgram) -> None:
    assert json.loads(program("patch", str(FIXTURES / FOLDER / "kpo_hostnetwork.json"))) == []


def test_several_pods_are_refused(program: InProcessProgram) -> None:
    run = program.run("patch", "-", stdin='[{"kind":"Pod"},{"kind":"Pod"}]')

    assert (run.code, run.stdout) == (2, "")
    assert run.stderr == "airflow-sidecar-webhook: stdin: holds 2 pods; patch takes one, explain -o json takes any number\n"


def test_the_patch_is_for_the_assumed_cluster(program: InProcessProgram) -> None:
    native, wrapped = (
        jsonpatch.apply_patch(json.loads(INJECTED), json.loads(program("patch", "--cluster-version", version, "-", stdin=INJECTED)))
        for version in ("1.34", "1.28")
    )

    assert [one["name"] for one in native["spec"]["initContainers"] if one.get("restartPolicy") == "Always"] == ["istio-proxy"]
    assert wrapped["spec"]["containers"][0]["command"][0] == "/bin/sh"
