"""Where the endpoints of a sidecar are in one pod, and which rows the parser refuses. What each row says: tests/unit/data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.built_in import built_in_sidecars
from webhook.core.catalogue import Catalogue, FoundSidecar, locate
from webhook.core.condition import Condition
from webhook.core.pod import Pod, read_pod
from webhook.core.sidecar import (
    Convert,
    Endpoint,
    EndpointRule,
    FirstVersion,
    InjectorHint,
    Match,
    Native,
    PortSource,
    Sidecar,
    parse_sidecars,
)
from webhook.core.version import read_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.json_object import JSONObject
    from webhook.core.pod import Container

CATALOGUE: Final = Catalogue(built_in_sidecars())
INJECTED: Final = {"sidecar.istio.io/status": '{"containers":["istio-proxy"]}'}


def found(
    name: str, annotations: Mapping[str, str] = {}, env: Mapping[str, str] = {}, image: str = "registry.example.com/team/foreign:1"
) -> FoundSidecar:
    """The container of this name beside the task's, with its endpoints."""
    container = {"name": name, "image": image, "env": [{"name": key, "value": value} for key, value in env.items()]}
    document = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "base"}, container]}}
    pod = read_pod(document)
    sidecar = CATALOGUE.find(pod, pod.spec.containers[1])
    assert sidecar is not None, f"no row identifies {name}"
    return locate(sidecar, pod, pod.spec.containers[1])


def istio(annotations: Mapping[str, str], env: Mapping[str, str]) -> FoundSidecar:
    """Istio's proxy in an injected pod with these settings."""
    return found("istio-proxy", INJECTED | dict(annotations), env)


PORT: Final = "status.sidecar.istio.io/port"
CONFIG: Final = "proxy.istio.io/config"

PLACES: Final[tuple[tuple[dict[str, str], dict[str, str]], ...]] = (
    ({PORT: "1001"}, {}),
    ({CONFIG: '{"statusPort": 1002}'}, {}),
    ({}, {"PROXY_CONFIG": '{"statusPort":1003}\n'}),
)
"""The places in which Istio's status port may stand, the strongest first, each with its own port."""


@pytest.mark.parametrize("places", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_the_strongest_place_of_istios_status_port_wins(places: tuple[int, ...]) -> None:
    """Pod annotation, then ProxyConfig in the annotation, then ProxyConfig as injected (istio pilot-agent config.go)."""
    annotations: dict[str, str] = {}
    env: dict[str, str] = {}
    for place in places:
        annotations |= PLACES[place][0]
        env |= PLACES[place][1]
    sidecar = istio(annotations, env)
    port = 1001 + places[0]
    assert (sidecar.ready, sidecar.alive, sidecar.quit) == (
        Endpoint(15021, "/healthz/ready"),
        Endpoint(port, "/healthz/ready"),
        Endpoint(port, "/quitquitquit", "POST"),
    )


def test_istio_without_a_setting_is_on_its_usual_ports() -> None:
    """Also with an empty ProxyConfig, as the injector writes it."""
    usual = FoundSidecar(
        name="istio-proxy",
        id="istio",
        ready=Endpoint(15021, "/healthz/ready"),
        alive=Endpoint(15020, "/healthz/ready"),
        quit=Endpoint(15020, "/quitquitquit", "POST"),
        quit_order=90,
        ends_by_itself=False,
    )
    assert istio({}, {}) == istio({CONFIG: "holdApplicationUntilProxyStarts: true"}, {"PROXY_CONFIG": "{}\n"}) == usual


@pytest.mark.parametrize(
    "text",
    [
        "statusPort: 1002",
        "concurrency: 2\nstatusPort: 1002\n",
        'statusPort: "1002"',
        '{"statusPort": 1002, "concurrency": 2}',
        '{"statusPort":"1002"}',
        "{statusPort: 1002}",
        "# statusPort: 5\nstatusPort: 1002  # mine",
    ],
)
def test_proxy_config_may_be_yaml_or_json(text: str) -> None:
    """Users write the annotation by hand."""
    assert istio({CONFIG: text}, {}).quit == Endpoint(1002, "/quitquitquit", "POST")


@pytest.mark.parametrize(
    ("annotations", "env"),
    [({PORT: "0"}, {}), ({CONFIG: "statusPort: 0"}, {}), ({}, {"PROXY_CONFIG": '{"statusPort":0}'})],
)
def test_with_a_status_port_of_zero_istio_is_neither_waited_for_nor_sent_a_quit_request(
    annotations: dict[str, str], env: dict[str, str]
) -> None:
    """And hides what weaker places say: the agent has no status server then."""
    weaker = {"PROXY_CONFIG": '{"statusPort":1003}'} | env
    sidecar = istio(annotations, weaker)
    assert (sidecar.ready, sidecar.alive, sidecar.quit) == (None, None, None)


GARBAGE: Final = (
    "",
    " ",
    "http",
    "15020/tcp",
    "-1",
    "+80",
    "1e4",
    "0x3a98",
    "65536",
    "99999999999999999999",
    "9" * 5000,
    "\uff11\uff15\uff10\uff12\uff10",  # digits of another script
    "\u00b2",  # str.isdigit() says yes
    "15020 --end-try; reboot",
    "15020\n15021",
    "$(PORT)",
)
"""What is no port number."""


@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: repr(text[:12]))
def test_a_status_port_that_is_no_port_number_is_passed_over(text: str) -> None:
    """The next place is read; nothing of the text gets further."""
    document = json.dumps({"statusPort": text})
    sidecar = istio({PORT: text, CONFIG: document}, {"PROXY_CONFIG": '{"statusPort":1003}'})
    assert sidecar.quit == Endpoint(1003, "/quitquitquit", "POST")


@pytest.mark.parametrize(
    "document",
    [
        "statusPort",
        "statusPort: [1002]",
        "statusPort: {a: 1002}",
        "statusPort: &a [*a]",
        "statusPort: *nowhere",
        "- statusPort",
        "statusPort: 1002\n---\nstatusPort: 1004",
        "statusPort: 1002\n\tconcurrency: 2",
        "{[a]: statusPort, statusPort: 1002}",
        "{statusPort: 1002",
        "statusPort: 1002\0",
        "statusPort: " + "[" * 4000,
        "x: " + "[" * 3000 + "]" * 3000 + "\nstatusPort: 1002",
        "statusPort: 1002 #" + "x" * 5000,
        "nested: {statusPort: 1002}",
        "StatusPort: 1002",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_a_proxy_config_that_is_no_plain_mapping_is_passed_over(document: str) -> None:
    """However deep, long or self-referring it is."""
    assert istio({CONFIG: document}, {}).quit == Endpoint(15020, "/quitquitquit", "POST")


TEXTS: Final = st.text(max_size=200) | st.integers(-1, 70000).map(str) | st.integers().map(lambda number: f"statusPort: {number}")


@given(port=TEXTS, config=TEXTS, env=TEXTS)
def test_whatever_stands_in_istios_settings_the_quit_is_a_request_line_of_ours(port: str, config: str, env: str) -> None:
    """A port from 1 to 65535, or no quit."""
    sidecar = istio({PORT: port, CONFIG: config}, {"PROXY_CONFIG": env})
    if sidecar.quit is not None:
        assert sidecar.quit == Endpoint(sidecar.quit.port, "/quitquitquit", "POST")
        assert 1 <= sidecar.quit.port <= 65535


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "t", "T", "1"])
def test_gos_words_for_true_enable_a_quit(word: str) -> None:
    """strconv.ParseBool reads the annotation and the environment variables."""
    vault = found("vault-agent", {"vault.hashicorp.com/agent-inject-status": "injected", "vault.hashicorp.com/agent-enable-quit": word})
    cloud_sql = found("db", env={"CSQL_PROXY_QUITQUITQUIT": word}, image="example.com/cloud-sql-connectors/cloud-sql-proxy:2.11.0")
    alloydb = found("db", env={"ALLOYDB_PROXY_QUITQUITQUIT": word}, image="example.com/alloydb-connectors/alloydb-auth-proxy:1.12.0")

    assert [one.quit for one in (vault, cloud_sql, alloydb)] == [
        Endpoint(8200, "/agent/v1/quit", "POST"),
        Endpoint(9091, "/quitquitquit", "POST"),
        Endpoint(9091, "/quitquitquit", "POST"),
    ]


def own_container(
    *, name: str = "own", args: list[str] | None = None, env: Mapping[str, str] = {}, annotations: Mapping[str, str] = {}
) -> tuple[Pod, Container]:
    """A pod, and the container in it."""
    probe = {"httpGet": {"port": 8080}}
    variables = [{"name": key, "value": value} for key, value in env.items()]
    container = {"name": name, "image": "own:1", "args": args or [], "env": variables, "readinessProbe": probe}
    document = {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}
    pod = msgspec.json.decode(msgspec.json.encode(document), type=Pod)
    return pod, pod.spec.containers[0]


@pytest.mark.parametrize(
    ("source", "port"),
    [
        (PortSource(annotation="a"), 1001),
        (PortSource(annotation="document", field="port"), 1002),
        (PortSource(env="PORT"), 65535),
        (PortSource(env="TOO_LARGE"), None),
        (PortSource(flag="--port"), 4191),
        (PortSource(flag="--other"), None),
        (PortSource(probe="readiness"), 8080),
    ],
)
def test_a_port_is_read_from_the_place_that_a_row_names(source: PortSource, port: int | None) -> None:
    annotations = {"a": "1001", "document": '{"port": 1002}'}
    pod, container = own_container(args=["--port=0.0.0.0:4191"], env={"PORT": "65535", "TOO_LARGE": "65536"}, annotations=annotations)

    assert source.port(pod, container) == port


INJECTED_MARK: Final = Condition(env="INJECTED")


@pytest.mark.parametrize(
    ("name", "env", "is_it"),
    [
        ("own", {"OWN": "1"}, True),
        ("own", {}, False),
        ("own", {"OWN": "1", "NOT": "1"}, False),
        ("renamed", {"OWN": "1"}, False),
        ("renamed", {"OWN": "1", "INJECTED": "1"}, True),
    ],
)
def test_a_sidecar_has_its_name_or_the_mark_of_its_injector(name: str, env: dict[str, str], is_it: bool) -> None:
    match = Match(("own",), (Condition(env="OWN"),), (Condition(env="NOT"),), (INJECTED_MARK,))
    pod, container = own_container(name=name, env=env)
    narrowed = match.narrowed(name, "own")

    assert narrowed is not None
    assert narrowed.fits(pod, container) == is_it


def test_the_mark_of_its_injector_may_be_in_the_pod() -> None:
    match = Match(("own",), (), (), (Condition(annotation="renamed"),)).narrowed("other", "own")

    assert match is not None
    assert match.fits(*own_container(name="other", annotations={"renamed": "true"}))
    assert not match.fits(*own_container(name="other"))


def test_a_container_has_a_name_of_at_most_63_characters() -> None:
    match = Match((), (Condition(env="OWN"),))

    assert match.narrowed("x" * 63, "own") is not None
    assert match.narrowed("x" * 64, "own") is None


@pytest.mark.parametrize(("any_case", "word", "is_refused"), [(True, "YES", False), (False, "YES", True), (False, "yes", False)])
def test_a_users_own_word_for_yes_is_no_refusal_as_the_injector_reads_it(any_case: bool, word: str, is_refused: bool) -> None:
    hint = InjectorHint({"a": "true"}, (), frozenset({"yes"}), any_case=any_case)
    pod, _ = own_container(annotations={"a": word})

    assert hint.is_refused(pod) == is_refused
    assert not hint.is_refused(own_container()[0])


@pytest.mark.parametrize("off", [True, False])
def test_a_quit_request_is_hinted_beside_native_sidecars_where_the_pod_refuses_its_own_to_be_one(off: bool) -> None:
    pod, _ = own_container(annotations={"off": "1"} if off else {})
    hint = InjectorHint({"quit": "true"}, ())
    convert = Convert(unless=(Condition(annotation="off"),))
    row = Sidecar("own", "Own", ("here",), hint=hint)

    assert row.wants_quit_hint(pod)
    assert msgspec.structs.replace(row, native=Native()).wants_quit_hint(pod)
    assert msgspec.structs.replace(row, native=Native(convert=convert)).wants_quit_hint(pod) == off
    assert msgspec.structs.replace(row, native=Native(hint=InjectorHint({"off": "0"}, ()))).wants_quit_hint(pod) == off
    assert not msgspec.structs.replace(row, hint=None).wants_quit_hint(pod)


@pytest.mark.parametrize(("annotations", "fits"), [({}, True), ({"example.com/other": "yes"}, False)])
def test_a_container_is_not_this_sidecar_where_the_pod_shows_that_it_is_another(annotations: dict[str, str], fits: bool) -> None:
    pod, container = own_container(annotations=annotations)
    match = Match(names=("own",), unless=(Condition(annotation="example.com/other"),)).narrowed("own", "own:1")
    assert match is not None

    assert match.fits(pod, container) == fits


def test_two_rows_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match=r'^two rows have the id "one"$'):
        parse_sidecars([{"id": "one", "title": "One", "sources": ["here"]}] * 2)


def test_a_row_that_identifies_a_container_by_neither_name_nor_marker_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^sidecar one: match needs names or markers - at `\$\[0\]`$"):
        parse_sidecars([{"id": "one", "title": "One", "sources": ["here"], "match": {}}])


def test_a_number_may_be_in_quotes() -> None:
    """As in a value of a Helm chart that a template writes."""
    (row,) = parse_sidecars([{"id": "one", "title": "One", "sources": ["here"], "ready": {"port": "8080", "path": "/ready"}}])

    assert row.ready == EndpointRule(8080, "/ready")


def test_an_unquoted_true_in_an_annotation_is_refused() -> None:
    """YAML would make it a boolean, which no annotation can hold."""
    row = "- {id: x, title: X, sources: [here], hint: {annotations: {example.com/quit: true}, when: []}}"
    with pytest.raises(msgspec.ValidationError, match=r"\$\[0\]\.hint\.annotations"):
        parse_sidecars(yaml.safe_load(row))


# --- versions ---


def pod_of(container: JSONObject, annotations: dict[str, str]) -> Pod:
    """A pod of this container alone."""
    return read_pod({"metadata": {"annotations": annotations}, "spec": {"containers": [container]}})


@pytest.mark.parametrize(
    ("versions", "image", "installed", "is_reached"),
    [
        ({"": "1.27.0"}, "istio/proxyv2:1.27.0", None, True),
        ({"": "1.27.0"}, "istio/proxyv2:1.26.9", None, False),
        ({"": "1.27.0"}, "istio/proxyv2:2.0.0", None, False),
        ({"": "1.27.0"}, "istio/proxyv2:1.26.9", "1.27.1", True),
        ({"": "1.27.0"}, "istio/proxyv2:1.28.0", "1.26.0", False),
        ({"": "1.27.0"}, "istio/proxyv2", None, False),
        ({"": "1.27.0"}, None, None, False),
        ({"edge": "24.5.1"}, "istio/proxyv2:1.27.0", None, False),
        ({"edge": "24.5.1"}, "istio/proxyv2:1.27.0", "25.1.1", False),
    ],
)
def test_a_version_is_the_installed_injectors_else_the_images(
    versions: dict[str, str], image: str | None, installed: str | None, is_reached: bool
) -> None:
    pod = pod_of({"name": "proxy", "image": image}, {})

    assert FirstVersion(versions).is_reached(pod, pod.spec.containers[0], read_version(installed or "")) is is_reached


@pytest.mark.parametrize(
    ("written", "is_reached"),
    [
        ("edge-24.5.1", True),
        ("edge-24.4.9", False),
        ("stable-2.14.0", True),
        ("stable-2.13.9", False),
        ("stable-2.14.0-1", True),
        ("enterprise-2.99.0", False),
        ("2.99.0", False),
        ("edge", False),
        ("", False),
        (None, False),
    ],
)
def test_a_version_in_an_annotation_counts_by_the_word_before_it(written: str | None, is_reached: bool) -> None:
    first = FirstVersion({"edge": "24.5.1", "stable": "2.14.0"}, annotation="example.com/version")
    pod = pod_of({"name": "proxy"}, {} if written is None else {"example.com/version": written})

    assert first.is_reached(pod, pod.spec.containers[0], read_version("99.0.0")) is is_reached
