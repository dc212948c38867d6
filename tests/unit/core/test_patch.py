"""Operations and their proof."""

from __future__ import annotations

from typing import Any

import jsonpatch
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.errors import UnsoundPatchError
from webhook.core.patch import MAX_ANNOTATION_BYTES, Operation, add, add_entries, add_items, move, pointer, prove, remove
from webhook.core.pod import Pod

KEYS = st.text(max_size=10)


def pod(**changes: Any) -> Pod:
    """A small pod."""
    base = {"name": "base", "volumeMounts": [{"name": "a", "mountPath": "/a"}], "volumeDevices": [{"devicePath": "/dev/a"}]}
    inits = [{"name": "prepare"}]
    spec = {"containers": [base, {"name": "istio-proxy"}], "initContainers": inits, **changes.pop("spec", {})}
    return msgspec.json.decode(msgspec.json.encode({"metadata": {"labels": {"a": "b"}, **changes}, "spec": spec}), type=Pod)


@given(st.dictionaries(KEYS, KEYS, min_size=1), st.none() | st.dictionaries(KEYS, KEYS))
def test_entries_are_set_in_a_map_that_may_be_absent_or_null_whatever_is_in_the_keys(
    wanted: dict[str, str], present: dict[str, str] | None
) -> None:
    before = {"labels": present}
    after = jsonpatch.apply_patch(before, list(add_entries(wanted, present, "labels")))

    assert after == {"labels": (present or {}) | wanted}


def test_entries_that_are_so_already_need_no_operation() -> None:
    assert list(add_entries({"a": "b"}, {"a": "b", "c": "d"}, "labels")) == []


@pytest.mark.parametrize("present", [None, [], [{"name": "a"}]])
def test_items_are_appended_to_a_list_that_may_be_absent_null_or_empty(present: list[Any] | None) -> None:
    after = jsonpatch.apply_patch({"volumes": present}, list(add_items([{"name": "b"}], present, "volumes")))

    assert after == {"volumes": [*(present or ()), {"name": "b"}]}


def test_tildes_and_slashes_in_a_key_are_escaped() -> None:
    assert pointer("metadata", "annotations", "a/b~c", 0) == "/metadata/annotations/a~1b~0c/0"


UNSOUND: dict[str, tuple[Operation, ...]] = {
    "a missing parent": (add("x", "metadata", "annotations", "a"),),
    "something that is not there": (remove("spec", "containers", 0, "command"),),
    "an index beyond the end": (add("x", "spec", "containers", 7, "command"),),
    "no container left": (remove("spec", "containers", 0), remove("spec", "containers", 0)),
    "a container twice": (add({"name": "base"}, "spec", "containers", "-"),),
    "an init container called like a regular one": (add([{"name": "base"}], "spec", "initContainers"),),
    "a volume twice": (add([{"name": "v"}, {"name": "v"}], "spec", "volumes"),),
    "a label over 63 characters": (add("a" * 64, "metadata", "labels", "a"),),
    "a label whose key is none": (add("a", "metadata", "labels", "a key"),),
    "an annotation whose key is none": (add({"a/b/c": ""}, "metadata", "annotations"),),
    "a mount at the path of another": (add({"name": "v", "mountPath": "/a"}, "spec", "containers", 0, "volumeMounts", "-"),),
    "a mount at the path of a block device": (add({"name": "v", "mountPath": "/dev/a"}, "spec", "containers", 0, "volumeMounts", "-"),),
    "a variable whose name is none": (
        move(("spec", "containers", 0), "spec", "initContainers", 0),
        add([{"name": "1=2"}], "spec", "initContainers", 0, "env"),
    ),
    "a probe on a plain init container": (add([{"name": "i", "startupProbe": {}}], "spec", "initContainers"),),
    "too many annotations": (add({"a": "x" * MAX_ANNOTATION_BYTES}, "metadata", "annotations"),),
    "too many annotations in bytes": (add({"a": "é" * (MAX_ANNOTATION_BYTES // 2)}, "metadata", "annotations"),),
}


@pytest.mark.parametrize("operations", UNSOUND.values(), ids=UNSOUND)
def test_an_unsound_patch_never_leaves(operations: tuple[Operation, ...]) -> None:
    with pytest.raises(UnsoundPatchError):
        prove(pod(), operations)


def test_a_probe_on_a_native_sidecar_is_sound() -> None:
    prove(pod(), (add([{"name": "i", "startupProbe": {}, "restartPolicy": "Always"}], "spec", "initContainers"),))


def test_a_second_mount_of_a_volume_at_a_path_of_its_own_is_sound() -> None:
    prove(pod(), (add({"name": "a", "mountPath": "/b"}, "spec", "containers", 0, "volumeMounts", "-"),))


@pytest.mark.parametrize("key", ["a", "app.kubernetes.io/name", "a" * 63, "a" * 253 + "/" + "b" * 63])
def test_a_key_that_the_api_server_takes_is_sound(key: str) -> None:
    prove(pod(), (add("x", "metadata", "labels", key), add({key: "any text"}, "metadata", "annotations")))


@pytest.mark.parametrize("key", ["", "/", "a/", "/a", "-a", "a-", "a" * 64, "A/b", "a" * 254 + "/b", "ä"])
def test_a_key_that_it_does_not_take_never_leaves(key: str) -> None:
    with pytest.raises(UnsoundPatchError):
        prove(pod(), (add("x", "metadata", "labels", key),))


def test_what_was_wrong_before_is_not_our_patchs_fault() -> None:
    broken = pod(labels={"a": "b" * 64}, spec={"containers": [{"name": "base"}, {"name": "base"}]})

    prove(broken, (add("x", "metadata", "labels", "b"),))


def test_the_pod_itself_is_not_touched_by_the_proof() -> None:
    before = pod()
    prove(before, (add("x", "metadata", "labels", "b"),))

    assert before == pod()
