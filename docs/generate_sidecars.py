"""Writes docs/sidecars.md from the sidecar catalogue.

``python -m docs.generate_sidecars`` writes the page; with ``--check`` it writes nothing and exits 1 when the page is not current.
"""

from __future__ import annotations

import argparse
import sys
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Final

from webhook.core import built_in_sidecars

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.core.condition import Condition
    from webhook.core.sidecar import (
        Convert,
        EndpointRule,
        FirstVersion,
        InitFirst,
        InjectorHint,
        Match,
        Native,
        PortSource,
        QuitRule,
        Sidecar,
        StopSignal,
    )

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "sidecars.md"
MAX_LINE: Final = 100

SUBJECTS: Final = (
    "annotation",
    "label",
    "volume",
    "init_container",
    "container",
    "env",
    "flag",
    "argument",
    "property",
    "image",
    "probe",
    "mount",
    "user",
)

HEAD: Final = """\
<!-- Made from webhook/data/sidecars by `make docs`. Change those files, not this one. -->

# Known sidecars

For operators and contributors: which sidecars the webhook knows, how each is identified, waited for
and ended, and how to add one.
Every fact has its source, in the section of the sidecar.

- **Identified by**: the container has one of the names, if there are any, and one of the markers
  (an annotation, a label, its image, …), and no exception holds.
  A name alone identifies nothing.
- **Ready**: the task starts when this request is answered with 2xx.
  Nothing: the task does not wait for this sidecar.
- **Quit**: the request that the wrapper sends after the task.
  Nothing: no request ends it, so it keeps the pod Running unless it ends by itself or is native.
- **Order**: the lowest quits first.
  Agents come before the mesh proxy, which carries their last calls.
- **Native**: on a cluster with native sidecars its injector makes it native, or the webhook
  converts the container itself, see [native.md](native.md).
  A native sidecar gets no quit request: the kubelet ends it, and would restart it before that.
- **One-time form**: with one of its flags it does its work once and ends, so it is left alone.
- All requests go to the loopback.

What becomes of each sidecar, with native sidecars and without, is a pair of pods in
[tests/golden](../tests/golden).

What the webhook does not do:

- It never moves, wraps or ends a container that no row identifies and nobody has described.
  Such a container is `unknown` in the status, and the pod stays Running until the container ends.
  The remedy has a line that [describes it](#a-sidecar-of-your-own).
- It leaves a placeholder alone until its injector has filled it: a container by which a user
  customises what the injector will add.
- It leaves a sidecar alone that can be neither native nor sent a quit request:
  it is `keeps-running` in the status, and a warning names it.
- It sends no request to a sidecar that ends by itself, and none to `airflow-xcom-sidecar`,
  from which Airflow reads the task's result.
- It installs and configures no injector: it sets annotations on pods, and nothing else.

[Your own sidecar](#a-sidecar-of-your-own) · [Add a sidecar](#add-a-sidecar)
"""

OWN: Final = """\
## A sidecar of your own

For one pod, its author sets the annotation `airflow-sidecar-webhook/sidecars`, a JSON list with an
element for each container.
`ready` and `quit` are optional, and `method` is `POST` or `GET`, by default `POST`.
With `"native": true` it is converted on a cluster with native sidecars.
Without, it stays regular: its injector is not annotated to make it native,
but to enable its quit request, where it has such an annotation:

```yaml
metadata:
  annotations:
    airflow-sidecar-webhook/sidecars: >-
      [{"name": "db-tunnel",
        "ready": {"port": 9000, "path": "/ready"},
        "quit": {"port": 9000, "path": "/quit", "method": "POST"}}]
```

For a whole cluster, an admin writes rows into a file and names it in the setting `sidecars_file`.
They have the fields of the rows in `webhook/data/sidecars` and come before those, so a container
that matches both is the admin's.
`id`, `title` and `sources` are required.
An error in a row names the row and the field, as `$[2].quit.port`.

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

## Add a sidecar

A sidecar that others have as well is one file, `webhook/data/sidecars/ID.yaml`:

1. Write the row, as above, with the fields of `Sidecar` in `webhook/core/sidecar.py`.
2. Identify it by a name and a marker that its injector leaves, or by its image.
3. Name a source for every fact, and end it with `read, not run` where nobody has tried it.
4. Behind a line `---`, write the example `typical`, the pod as the injector leaves it and what you
   expect, with the fields of `Example` in `tests/support/examples.py`.
5. Add examples for each further marker, exception and place of a port, and for a `hint` one before
   the injection. A test that lacks one says which.
6. Run `make docs` and `python -m tests.golden`, read the difference, and run `make test`.

For each row:

- A sidecar that people write themselves is identified by its image: a glob on the repository,
  or on the end of it after a `/`.
- For a sidecar of an injector, `left_by_injector` says by what it is known that it was injected.
  Without that it is a placeholder, which the injector has yet to fill.
- `not_injected_when` says by what it is known that the injector adds nothing to a pod.
  A hint's `unless` only says when its annotations are not set: the injector may still add its
  sidecar, so a mesh proxy is awaited.
- A mesh whose injector needs no annotation says by `injected_when` which pods it handles,
  and by `injected_by_namespace` that being installed is enough to await it.
- An injector that gives other mounts to the init containers of a pod than to its containers
  says by `awaited_when` where: the sidecars of such a pod become native after the injection.
- `quit_order` is 10 for secrets agents, 20 for database proxies, 30 for telemetry, 40 for identity,
  50 for others, 80 for network and 90 for mesh proxies.
- What is unverified is left out, and so is a readiness endpoint that only a flag enables:
  a task would wait for it in vain.
- A user's own startupProbe may need the task, which starts behind a native sidecar.
  `startup_commands` lists the commands that do not,
  and `startup_paths` the paths that a sidecar answers itself, if it sends other requests on.
- `one_time` names the flags with which the sidecar does its work once and ends.

The example of the row above:

```yaml
- id: db-tunnel
  …
---
- row: db-tunnel
  name: typical
  about: The tunnel of our pod template. The wrapper sends its quit request.
  containers:
  - {name: tunnel, image: platform/db-tunnel:2, args: [--enable-quit]}
  expect:
    ready: GET :9000/ready
    quit: POST :9000/quit
    without_native: quit
    with_native: quit
    not_converted: not-convertible
```
"""


def page(sidecars: Iterable[Sidecar]) -> str:
    """The whole page, as Markdown."""
    rows = tuple(sidecars)
    return "\n".join((HEAD, table(rows), OWN, *(section(row) for row in rows))).rstrip() + "\n"


def table(sidecars: Iterable[Sidecar]) -> str:
    """One line for each sidecar."""
    head = "| sidecar | identified by | ready | quit | order | notes |\n|---|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(cells(sidecar))} |\n" for sidecar in sidecars)


def cells(sidecar: Sidecar) -> tuple[str, ...]:
    """The cells of a sidecar's line."""
    link = f"[{sidecar.title}](#{sidecar.id})"
    if sidecar.match is None:
        return link, "no container", "", "", "", ""
    waits = address("GET", sidecar.ready) if sidecar.ready else "nothing"
    quits = address(sidecar.quit.method, sidecar.quit) if sidecar.quit else "nothing"
    return link, names_and_markers(sidecar.match), waits, quits, str(sidecar.quit_order), notes(sidecar)


def names_and_markers(match: Match) -> str:
    """How it is identified, as one cell."""
    markers = " or ".join(conditions(match.markers))
    return f"{' or '.join(code(name) for name in match.names)}, with {markers}" if match.names else markers


def address(method: str, endpoint: EndpointRule) -> str:
    """The request with its default port."""
    return code(f"{method} :{endpoint.port}{endpoint.path}")


def notes(sidecar: Sidecar) -> str:
    """What the other cells cannot say."""
    possible = (
        ("neither ended nor converted", sidecar.must_outlive_task),
        ("works on after the task", sidecar.works_after_task),
        ("quit only where enabled", sidecar.quit and sidecar.quit.enabled_by),
        ("no quit where disabled", sidecar.quit and sidecar.quit.disabled_by),
        ("quit enabled before the injection", sidecar.hint),
        ("ends by itself", sidecar.ends_by_itself),
        ("has a one-time form", sidecar.one_time),
        ("native by its injector", sidecar.native and sidecar.native.by_injector),
        ("native by conversion", sidecar.convert),
    )
    return "; ".join(text for text, holds in possible if holds)


def section(sidecar: Sidecar) -> str:
    """Everything that is known of one sidecar."""
    not_injected = sidecar.not_injected_when or ((sidecar.injection_off,) if sidecar.injection_off else ())
    lines = [
        *(identified(sidecar.match) if sidecar.match else ()),
        *(line("Injected, and not a placeholder, with", (" and ".join(conditions(entry)) for entry in sidecar.left_by_injector))),
        *(line("Init containers that come with it", map(code, sidecar.init_containers))),
        *(put_first(sidecar.init_first) if sidecar.init_first else ()),
        *(reached("Ready", "GET", sidecar.ready) if sidecar.ready else ()),
        *(reached("Alive", "GET", sidecar.alive) if sidecar.alive else ()),
        *(quitting(sidecar.quit) if sidecar.quit else ()),
        *(hinting(sidecar.hint, "For its quit request, ") if sidecar.hint else ()),
        *line(
            "Does its work once and ends, so it is neither waited for, sent a quit request nor converted, with",
            conditions(sidecar.one_time),
        ),
        *(signalled(sidecar.stop_signal) if sidecar.stop_signal else ()),
        *(native(sidecar.native) if sidecar.native else ()),
        *line("Its injector handles a pod with", conditions(sidecar.injected_when)),
        *line(
            "Before the injection no sidecar becomes native (`before-agent`) in a pod with",
            (" and ".join(conditions(entry)) for entry in sidecar.awaited_when),
        ),
        *line("Its injector adds nothing to a pod with", conditions(not_injected)),
        *(
            ["- Its injector may also handle pods that show nothing of it, as by the namespace's label."]
            if sidecar.injected_by_namespace
            else []
        ),
        *line("Its injector's webhook is in the configuration", [code(sidecar.configuration)] if sidecar.configuration else ()),
        *(["- Its injector's chart sets `reinvocationPolicy: IfNeeded`."] if sidecar.is_reinvoked else []),
        *staying(sidecar),
        *(f"- {rule}" for rule in sidecar.cautions),
    ]
    sources = "\n".join(map(wrapped, (f"- {source}" for source in sidecar.sources)))
    body = "\n".join(map(wrapped, lines)) + "\n\n" if lines else ""
    return f'<a id="{sidecar.id}"></a>\n\n## {sidecar.title}\n\n{body}Sources:\n\n{sources}\n'


def wrapped(bullet: str) -> str:
    """The bullet in lines of the page's length; Markdown takes the end of a line for a space."""
    return fill(bullet, MAX_LINE, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def identified(match: Match) -> Iterable[str]:
    """How it is identified, with the exceptions."""
    yield f"- Identified by {names_and_markers(match)}."
    yield from line("Identified under any name with", conditions(match.any_name_with))
    yield from line("Not when", conditions(match.unless))


def put_first(rule: InitFirst) -> Iterable[str]:
    """The init container that a mesh may cut off from the network, and what prevents that."""
    annotation = code(f"{rule.annotation}: {rule.value}")
    yield f"- {code(rule.container)} needs the network: behind the init container of a mesh it needs annotation {annotation}."


def reached(word: str, method: str, endpoint: EndpointRule) -> Iterable[str]:
    """An endpoint, with where its port may be set otherwise."""
    yield f"- {word}: {address(method, endpoint)}."
    yield from line(f"{word}, its port from", map(port_source, endpoint.port_from))


def quitting(endpoint: QuitRule) -> Iterable[str]:
    """The request that ends it, with its conditions."""
    yield from reached("Quit", endpoint.method, endpoint)
    yield from line("Quit only with", conditions(endpoint.enabled_by))
    yield from line("No quit with", conditions(endpoint.disabled_by))


def hinting(hint: InjectorHint, purpose: str) -> Iterable[str]:
    """What is set on the pod before the injection, and for what."""
    wanted = (f"annotation {code(f'{key}: {value}')}" for key, value in hint.annotations.items())
    installed = ["its injector is installed"] if hint.when_installed else []
    yield from line(f"{purpose}set before injection", wanted)
    yield from line(f"{purpose}values that count as yes", [words(hint.yes_words, any_case=hint.any_case)] if hint.yes_words else ())
    yield from line(f"{purpose}set when", conditions(hint.when) + installed)
    yield from line(f"{purpose}not set when", conditions(hint.unless))
    yield from line(f"{purpose}understood since", filter(None, [hint.since]))


def signalled(signal: StopSignal) -> Iterable[str]:
    """What a signal does to it."""
    code_of_it = "an unknown exit code" if signal.exit_code is None else f"exit code {signal.exit_code}"
    drain = f", after up to {signal.drain_seconds} s" if signal.drain_seconds is not None else ""
    yield f"- Ends on {signal.name} with {code_of_it}{drain}."


def native(facts: Native) -> Iterable[str]:
    """How it becomes a native sidecar."""
    since = f" (since {facts.since})" if facts.since else ""
    yield from line("Native", [f"{facts.by_injector}{since}"] if facts.by_injector else ())
    yield from hinting(facts.hint, "To be native, ") if facts.hint else ()
    yield from converting(facts.convert) if facts.convert else ()
    if facts.reinvocation_safe is not None:
        yield f"- Its injector can be called again after the conversion: {'yes' if facts.reinvocation_safe else 'no'}."


def converting(rule: Convert) -> Iterable[str]:
    """What the webhook does to one that is a regular container."""
    place = "behind all others" if rule.starts_last else "behind the init containers that it depends on"
    if rule.starts_first:
        place = "before all others, right behind its own init containers"
    yield f"- Converted: starts {place}."
    yield from line("Converted, followed by", map(code, rule.next_init_containers))
    yield from line("Converted, a lifecycle hook is removed if it runs", (code(" ".join(words)) for words in rule.drops_lifecycle_hooks))
    yield from line("Converted, with the preStop hook", [stopping(rule)] if rule.pre_stop else ())
    yield from line("Converted, with the startupProbe", starting(rule))
    commands = (code(" ".join(words)) for words in rule.startup_commands)
    yield from line("Converted with a startupProbe of its own that runs", commands)
    yield from line("Not converted with a startupProbe of its own that requests another path than", map(code, rule.startup_paths))
    sources = (code(one.flag or one.env or "") for one in rule.startup_paths_from)
    yield from line("Or than the path set by", sources)
    yield from line("Converted, with the environment variable", (code(f"{name}={value}") for name, value in rule.env.items()))
    yield from line("Converted, with the pod's annotation", (code(f"{key}: {value}") for key, value in rule.annotations.items()))
    yield from line("That annotation is understood by its injector since", filter(None, [rule.annotations_since]))
    yield from line("That annotation is not understood with", conditions(rule.annotations_unless))
    yield from line(
        "Its name moves to the init containers within", [f"annotation {code(rule.status_annotation)}"] if rule.status_annotation else ()
    )
    yield from line(
        "Named ports that do not prevent the conversion, since no Service refers to them", map(code, rule.ports_without_service)
    )
    yield from line("Not converted with", conditions(rule.unless))
    if rule.found_since:
        yield from not_found_before(rule.found_since)


def staying(sidecar: Sidecar) -> Iterable[str]:
    """That it is never converted, where there is a container that could be."""
    if sidecar.match and not sidecar.must_outlive_task and not sidecar.convert:
        yield "- Stays a regular container (`not-convertible`), unless its injector makes it a native sidecar."


def not_found_before(since: FirstVersion) -> Iterable[str]:
    """Up to which version it stays regular."""
    where = f"annotation {code(since.annotation)}" if since.annotation else "the tag of its image"
    versions = " or ".join(code(f"{word}-{first}" if word else first) for word, first in since.versions.items())
    when = f"With {' or '.join(conditions(since.when))}: c" if since.when else "C"
    yield f"- {when}onverted only from version {versions} on ({where}); other parts of an older mesh do not find it (`old-mesh`)."


def stopping(rule: Convert) -> str:
    """The command of the hook that is added."""
    since = f" from {rule.pre_stop_since} on" if rule.pre_stop_since else ""
    ports = f", where the port is {', '.join(map(str, rule.pre_stop_ports))}" if rule.pre_stop_ports else ""
    return f"{code(' '.join(rule.pre_stop))}{since}{ports}"


def starting(rule: Convert) -> Iterable[str]:
    """The probe that is added where there is none."""
    if rule.startup_probe_from_readiness:
        yield "its readinessProbe, once a second"
    if rule.startup_probe:
        request = rule.startup_probe["httpGet"]
        port = f", its port from {port_source(rule.startup_port_from)}" if rule.startup_port_from else ""
        also = "; also to one that its injector has made native" if rule.completes_native else ""
        yield code(f"GET :{request['port']}{request['path']}") + port + also


def line(word: str, things: Iterable[str]) -> Iterable[str]:
    """A bullet with a list in it, or nothing for an empty list."""
    listed = "; ".join(things)
    if listed:
        yield f"- {word}: {listed}."


def conditions(found: Iterable[Condition]) -> list[str]:
    """Conditions as words; the values of one subject are listed after it."""
    grouped = groupby(found, key=subject)
    return [f"{what} {values}" if (values := values_of(group)) else what for what, group in grouped]


def subject(condition: Condition) -> str:
    """The subject of a condition."""
    kind = next(kind for kind in SUBJECTS if getattr(condition, kind) is not None)
    return probed(condition.probe) if condition.probe else f"{kind.replace('_', ' ')} {code(getattr(condition, kind))}"


def values_of(group: Iterable[Condition]) -> str:
    """The values in conditions on one subject."""
    found = tuple(group)
    values = [code(condition.value) for condition in found if condition.value is not None]
    values += [words(one.one_of, any_case=one.any_case) for one in found if one.one_of]
    others = [words(one.none_of, any_case=one.any_case) for one in found if one.none_of]
    return " ".join([*([f"= {', '.join(values)}"] if values else []), *(f"other than {each}" for each in others)])


def words(listed: Iterable[str], *, any_case: bool) -> str:
    """Words that mean the same to an injector."""
    return ", ".join(code(word) for word in sorted(listed) if word) + (" in any case" if any_case else "")


def port_source(source: PortSource) -> str:
    """Where a port may be set otherwise."""
    if source.probe:
        return probed(source.probe)
    kind = next(kind for kind in ("annotation", "env", "flag") if getattr(source, kind) is not None)
    field = f", field {code(source.field)}" if source.field else ""
    return f"{kind} {code(getattr(source, kind))}{field}"


def probed(probe: str) -> str:
    """A port that a probe says."""
    return f"the port of its {probe} probe"


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
