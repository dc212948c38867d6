"""Writes docs/sidecars.md from the sidecar catalogue.

``python -m docs.generate_sidecars`` writes the page; with ``--check`` it writes nothing and exits 1 when the page is not current.
"""

from __future__ import annotations

import argparse
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from webhook.policy_files import built_in_sidecars

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.core.condition import Condition
    from webhook.core.sidecar import Convert, EndpointRule, InjectorHint, Match, Native, PortSource, QuitRule, Sidecar, StopSignal

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "sidecars.md"

SUBJECTS: Final = ("annotation", "label", "volume", "init_container", "env", "flag", "argument", "image")

HEAD: Final = """\
<!-- Made from webhook/data/sidecars by `python -m docs.generate_sidecars`. Change that file, not this one. -->

# Known sidecars

What the webhook knows of the containers that stand beside Airflow's task pods. Every fact has its source, in the section of the sidecar.

- **Told by**: a container is such a sidecar when its name fits, one of the markers holds and no exception does. A name alone never tells.
- **Waits for**: the task starts when `GET` there answers 2xx. Nothing: the task does not wait for this one.
- **Asked to quit by**: the request the wrapper makes after the task. Nothing: it cannot be asked, so beside the task it keeps the pod
  Running unless it ends by itself or its injector makes it a native sidecar.
- **Order**: the lower is asked first. Agents come before the mesh proxy, through which their last calls go.
- All requests go to the loopback. A native sidecar is never asked to quit: the kubelet ends it, and would restart it before that.
- **Native**: on a cluster with native sidecars its injector is asked for one, or the webhook moves the container itself, see
  [native.md](native.md). What of that is known stands in the section of the sidecar, and as a pair of pods in `tests/golden`.
"""

OWN: Final = """\
## A sidecar of your own

For one pod, its author sets the annotation `airflow-sidecar-webhook/sidecars`. It holds a JSON list with an element for each container;
`ready` and `quit` may be left out, `method` is `POST` unless it is `GET`; with `"native": true` it is moved to the init containers on a
cluster that has native sidecars:

```yaml
metadata:
  annotations:
    airflow-sidecar-webhook/sidecars: >-
      [{"name": "db-tunnel",
        "ready": {"port": 9000, "path": "/ready"},
        "quit": {"port": 9000, "path": "/quit", "method": "POST"}}]
```

For a whole cluster, an admin writes rows into a file and names it in the setting `sidecars_file`. They have the shape of
`webhook/data/sidecars` and are looked at before ours, so a container that both would tell is the admin's. `id`, `title` and
`sources` are required; a row that cannot be read is an error that names the row and the field, as `$[2].quit.port`.

```yaml
- id: db-tunnel
  title: Database tunnel
  match:
    markers:
      - {image: platform/db-tunnel}
  ready: {port: 9000, path: /ready}
  quit: {port: 9000, path: /quit, enabled_by: [{flag: --enable-quit}]}
  quit_order: 20
  sources: ["platform handbook, page tunnels"]
```
"""


def page(sidecars: Iterable[Sidecar]) -> str:
    """The whole page, as Markdown."""
    rows = tuple(sidecars)
    return "\n".join((HEAD, table(rows), OWN, *(section(row) for row in rows))).rstrip() + "\n"


def table(sidecars: Iterable[Sidecar]) -> str:
    """One line for each sidecar."""
    head = "| sidecar | told by | waits for | asked to quit by | order | notes |\n|---|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(cells(sidecar))} |\n" for sidecar in sidecars)


def cells(sidecar: Sidecar) -> tuple[str, ...]:
    """The cells of a sidecar's line."""
    link = f"[{sidecar.title}](#{sidecar.id})"
    if sidecar.match is None:
        return link, "no container that is told", "", "", "", ""
    waits = address("GET", sidecar.ready) if sidecar.ready else "nothing"
    quits = address(sidecar.quit.method, sidecar.quit) if sidecar.quit else "nothing"
    return link, names_and_markers(sidecar.match), waits, quits, str(sidecar.quit_order), notes(sidecar)


def names_and_markers(match: Match) -> str:
    """How it is told, as one cell."""
    markers = " or ".join(conditions(match.markers))
    return f"{' or '.join(code(name) for name in match.names)}, with {markers}" if match.names else markers


def address(method: str, endpoint: EndpointRule) -> str:
    """The request with its usual port."""
    return code(f"{method} :{endpoint.port}{endpoint.path}")


def notes(sidecar: Sidecar) -> str:
    """What the other cells cannot say."""
    said = (
        ("never touched", sidecar.must_outlive_task),
        ("only where it is enabled", sidecar.quit and sidecar.quit.enabled_by),
        ("not where it is switched off", sidecar.quit and sidecar.quit.disabled_by),
        ("enabled before injection", sidecar.hint),
        ("ends by itself as the last container", sidecar.ends_by_itself),
        ("native by its injector", sidecar.native and sidecar.native.by_injector),
        ("native by being moved", sidecar.native and sidecar.native.convert),
    )
    return "; ".join(text for text, holds in said if holds)


def section(sidecar: Sidecar) -> str:
    """Everything that is known of one sidecar."""
    lines = [
        *(told(sidecar.match) if sidecar.match else ()),
        *(line("Comes with the init containers", map(code, sidecar.init_containers))),
        *(reached("Ready", "GET", sidecar.ready) if sidecar.ready else ()),
        *(reached("Alive", "GET", sidecar.alive) if sidecar.alive else ()),
        *(quitting(sidecar.quit) if sidecar.quit else ()),
        *(hinting(sidecar.hint, "To be asked to quit, ") if sidecar.hint else ()),
        *(signalled(sidecar.stop_signal) if sidecar.stop_signal else ()),
        *(native(sidecar.native) if sidecar.native else ()),
        *staying(sidecar),
        *(f"- {rule}" for rule in sidecar.cautions),
    ]
    sources = "\n".join(f"- {source}" for source in sidecar.sources)
    body = "\n".join(lines) + "\n\n" if lines else ""
    return f'<a id="{sidecar.id}"></a>\n\n## {sidecar.title}\n\n{body}Sources:\n\n{sources}\n'


def told(match: Match) -> Iterable[str]:
    """How it is told, with the exceptions."""
    yield f"- Told by {names_and_markers(match)}."
    yield from line("Not when", conditions(match.unless))


def reached(word: str, method: str, endpoint: EndpointRule) -> Iterable[str]:
    """An endpoint, with where its port may have been moved to."""
    yield f"- {word}: {address(method, endpoint)}."
    yield from line(f"{word}, the port from", map(port_source, endpoint.port_from))


def quitting(endpoint: QuitRule) -> Iterable[str]:
    """The request that ends it, with its conditions."""
    yield from reached("Quit", endpoint.method, endpoint)
    yield from line("Quit only with", conditions(endpoint.enabled_by))
    yield from line("No quit with", conditions(endpoint.disabled_by))


def hinting(hint: InjectorHint, purpose: str) -> Iterable[str]:
    """What is set on the pod before the injector comes, and for what."""
    wanted = (f"annotation {code(f'{key}: {value}')}" for key, value in hint.annotations.items())
    installed = ["its injector is installed"] if hint.when_installed else []
    yield from line(f"{purpose}set before injection", wanted)
    yield from line(f"{purpose}set when", conditions(hint.when) + installed)
    yield from line(f"{purpose}not set when", conditions(hint.unless))
    yield from line(f"{purpose}understood since", filter(None, [hint.since]))


def signalled(signal: StopSignal) -> Iterable[str]:
    """What a signal does to it."""
    code_of_it = "an exit code that is not known" if signal.exit_code is None else f"exit code {signal.exit_code}"
    drain = f", after up to {signal.drain_seconds} s" if signal.drain_seconds is not None else ""
    yield f"- Ends on {signal.name} with {code_of_it}{drain}."


def native(facts: Native) -> Iterable[str]:
    """How it becomes a native sidecar."""
    since = f" (since {facts.since})" if facts.since else ""
    yield from line("Native", [f"{facts.by_injector}{since}"] if facts.by_injector else ())
    yield from hinting(facts.hint, "To be native, ") if facts.hint else ()
    yield from converting(facts.convert) if facts.convert else ()
    if facts.reinvocation_safe is not None:
        yield f"- Its injector accepts a pod in which it was moved: {'yes' if facts.reinvocation_safe else 'no'}."


def converting(rule: Convert) -> Iterable[str]:
    """What the webhook does to one that stands among the regular containers."""
    place = "to the front, right behind its own init containers" if rule.starts_first else "behind the init containers that it needs"
    yield f"- Moved to the init containers: {place}."
    yield from line("Followed there by", map(code, rule.next_init_containers))
    yield from line("Loses there a hook that runs", (code(" ".join(words)) for words in rule.drops_lifecycle_hooks))
    yield from line("Gets there the preStop hook", [stopping(rule)] if rule.pre_stop else ())
    yield from line("Gets there the startup probe", starting(rule))
    yield from line("Gets there the variable", (code(f"{name}={value}") for name, value in rule.env.items()))
    yield from line("Marked then by", (f"annotation {code(f'{key}: {value}')}" for key, value in rule.annotations.items()))
    yield from line("Accepted then by an injector of", filter(None, [rule.annotations_since]))
    yield from line("Its name moves in", [f"annotation {code(rule.status_annotation)}"] if rule.status_annotation else ())
    yield from line("Ports that no Service asks for", map(code, rule.ports_without_service))
    yield from line("Not moved with", conditions(rule.unless))


def staying(sidecar: Sidecar) -> Iterable[str]:
    """That it is never moved, where there is a container that could be."""
    if sidecar.match and not sidecar.must_outlive_task and not (sidecar.native and sidecar.native.convert):
        yield "- Stays a regular container (`not-convertible`), unless its injector makes it a native sidecar."


def stopping(rule: Convert) -> str:
    """The command of the hook that is added."""
    since = f" from {rule.pre_stop_since} on" if rule.pre_stop_since else ""
    ports = f", where the port is {', '.join(map(str, rule.pre_stop_ports))}" if rule.pre_stop_ports else ""
    return f"{code(' '.join(rule.pre_stop))}{since}{ports}"


def starting(rule: Convert) -> Iterable[str]:
    """The probe that is added where there is none."""
    if rule.startup_probe_from_readiness:
        yield "its readiness probe, asked each second"
    if rule.startup_probe:
        request = rule.startup_probe["httpGet"]
        yield code(f"GET :{request['port']}{request['path']}")


def line(word: str, things: Iterable[str]) -> Iterable[str]:
    """A bullet with a list in it, or nothing for an empty list."""
    listed = "; ".join(things)
    if listed:
        yield f"- {word}: {listed}."


def conditions(found: Iterable[Condition]) -> list[str]:
    """Conditions as words; values of the same thing are listed after it."""
    grouped = groupby(found, key=subject)
    return [f"{what} {values}" if (values := values_of(group)) else what for what, group in grouped]


def subject(condition: Condition) -> str:
    """What a condition looks at."""
    kind = next(kind for kind in SUBJECTS if getattr(condition, kind) is not None)
    return f"{kind.replace('_', ' ')} {code(getattr(condition, kind))}"


def values_of(group: Iterable[Condition]) -> str:
    """The values that conditions on the same thing ask for."""
    values = [code(condition.value) for condition in group if condition.value is not None]
    return f"= {', '.join(values)}" if values else ""


def port_source(source: PortSource) -> str:
    """Where a port may have been moved to."""
    kind = next(kind for kind in ("annotation", "env", "flag") if getattr(source, kind) is not None)
    field = f", field {code(source.field)}" if source.field else ""
    return f"{kind} {code(getattr(source, kind))}{field}"


def code(text: str) -> str:
    """Text in the type of code."""
    return f"`{text}`"


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is current; the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/sidecars.md from webhook/data/sidecars.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when the page is not current")
    wanted = page(built_in_sidecars())
    if not parser.parse_args(arguments).check:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write("docs/sidecars.md is not current: run `python -m docs.generate_sidecars`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
