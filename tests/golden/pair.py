"""One golden pair: an example of the catalogue as a whole pod, and that pod after the webhook, with native sidecars and without.

One pod also has a pair that shows it after an audit.

``<the wrapper>`` stands for the wrapper's script, and ``<version>`` for the webhook's version.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.support.examples import EXAMPLES
from tests.support.pods import ABLE_CLUSTER, admitted
from webhook import __version__
from webhook.core import UNKNOWN_CLUSTER, Enforcement

if TYPE_CHECKING:
    from tests.support.examples import Example
    from tests.support.json_object import JSONObject
    from webhook.core import Cluster, Policy

FOLDER: Final = Path(__file__).parent
PAIRED: Final = tuple(example for example in EXAMPLES if example.about)
AUDITED: Final = next(example for example in PAIRED if example.pair_name == "istio")
AUDIT_FILE: Final = FOLDER / "audit" / "istio.yaml"
ABOUT_AUDIT: Final = "The pod of ../istio.yaml under enforcement: audit. Only the status and the label of the treatment are added."
WRAPPER: Final = "<the wrapper>"
MAX_LINE: Final = 110


def pair_file(example: Example) -> Path:
    """Where the pair of this example is."""
    return FOLDER / f"{example.pair_name}.yaml"


def pair_text(example: Example, policy: Policy) -> str:
    """The pair of this example as the rules make it."""
    return _text(example.about, example.pod, policy)


def audit_text(policy: Policy) -> str:
    """The pair of `AUDITED` under ``enforcement: audit``, as the rules make it."""
    return _text(ABOUT_AUDIT, AUDITED.pod, replace(policy, enforcement=Enforcement.AUDIT))


def _text(about: str, pod: JSONObject, policy: Policy) -> str:
    lines = "".join(f"# {line}\n" for line in about.splitlines())
    parts = (
        f"{lines}{_dump(pod)}",
        f"# On a cluster with native sidecars:\n{_dump(_after(pod, policy, ABLE_CLUSTER))}",
        f"# On a cluster without:\n{_dump(_after(pod, policy, UNKNOWN_CLUSTER))}",
    )
    return "---\n".join(parts).replace(f'"version":"{__version__}"', '"version":"<version>"')


def _after(pod: JSONObject, policy: Policy, cluster: Cluster) -> Any:
    return _shown(admitted(pod, policy, cluster)[1], policy.script)


def _dump(pod: JSONObject) -> str:
    return yaml.dump(pod, Dumper=_Lines, sort_keys=False, width=140, allow_unicode=True)


class _Lines(yaml.SafeDumper):
    """Short lists and mappings in one line, as people write them; the long ones an entry a line."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return super().represent_sequence(tag, sequence, flow_style=_is_short(sequence) or flow_style)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        return super().represent_mapping(tag, mapping, flow_style=_is_short(mapping) or flow_style)


def _is_short(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    is_words = isinstance(value, list) and "-c" not in value and all(isinstance(item, str) for item in value)
    return all(not isinstance(item, dict | list) for item in items) and (is_words or len(str(value)) < MAX_LINE)


def _shown(value: Any, script: str) -> Any:
    if isinstance(value, dict):
        return {key: _shown(item, script) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item, script) for item in value]
    return WRAPPER if value == script else value
