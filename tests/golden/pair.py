"""One golden pair: a file whose first part is written by hand, and whose second and third follow from the rules.

The first part is a comment on what to look at, and a pod. The others are that pod as the webhook leaves it on a cluster with native
sidecars, and on one without; the wrapper's text stands there as a word.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.support.pods import ABLE_CLUSTER, ask
from webhook.core.cluster import UNKNOWN_CLUSTER

if TYPE_CHECKING:
    from webhook.core.cluster import Cluster
    from webhook.core.policy import Policy

FOLDER: Final = Path(__file__).parent
WITH: Final = "---\n# On a cluster with native sidecars:\n"
WITHOUT: Final = "---\n# On a cluster without:\n"
WRAPPER: Final = "<the wrapper>"
MAX_LINE: Final = 110


def pairs() -> list[Path]:
    """All files."""
    return sorted(FOLDER.glob("*.yaml"))


def made_anew(text: str, policy: Policy) -> str:
    """The file as the rules would have it: the part written by hand as it is, the others made from it."""
    given = text.partition(WITH)[0]
    pod = yaml.safe_load(given)
    return f"{given}{WITH}{_answer(pod, policy, ABLE_CLUSTER)}{WITHOUT}{_answer(pod, policy, UNKNOWN_CLUSTER)}"


def _answer(pod: dict[str, Any], policy: Policy, cluster: Cluster) -> str:
    after = _shown(ask(pod, policy, cluster)[1], policy.script)
    return yaml.dump(after, Dumper=_Lines, sort_keys=False, width=140, allow_unicode=True)


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
