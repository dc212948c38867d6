"""The aggregate requests and limits of a pod, added up as the API server does (k8s.io/component-helpers/resource PodRequests, PodLimits).

They are the larger of two amounts of each resource: the sum of the regular containers and the native sidecars; and the most that one
init container and the native sidecars before it have together. A pod whose aggregate rises may be refused where it was not before: by
the pod's own ``spec.resources`` (validation.go validatePodResourceConsistency), a LimitRange of type Pod, or a ResourceQuota.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from webhook.core.pod import ABSENT
from webhook.core.quantity import read_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from webhook.core.pod import Container

Amounts = dict[tuple[str, str], int]
"""By "requests" or "limits" and the resource's name: billionths of its base unit."""

MAX_RESOURCES: Final = 16
"""So many a container may have in its requests, and in its limits; more are not read."""


class Aggregate:
    """That of a pod, and whether another order of its init containers raises it."""

    def __init__(self, regular: Sequence[Container], inits: Sequence[Container], native: AbstractSet[str]) -> None:
        """Add up; ``native``: names of the native sidecars among ``inits``.

        Raises:
            ValueError: An amount cannot be read.

        """
        self._native = native
        self._amounts = {container.name: amounts_of(container) for container in (*regular, *inits)}
        self.amounts: Counter[tuple[str, str]] = Counter()
        for name in [*(container.name for container in regular), *(container.name for container in inits if container.name in native)]:
            self.amounts.update(self._amounts[name])
        for what, amount in self._of_inits([container.name for container in inits], native):
            self.amounts[what] = max(self.amounts[what], amount)

    def is_raised(self, order: Sequence[str], moved: AbstractSet[str]) -> bool:
        """Whether these init containers, with the regular containers ``moved`` among them as native sidecars, raise it."""
        # A container that becomes native changes no sum of both.
        return any(amount > self.amounts[what] for what, amount in self._of_inits(order, self._native | moved))

    def _of_inits(self, order: Iterable[str], native: AbstractSet[str]) -> Iterator[tuple[tuple[str, str], int]]:
        """What each init container has together with the native sidecars before it."""
        before: Counter[tuple[str, str]] = Counter()
        for name in order:
            amounts = self._amounts[name]
            if name in native:
                before.update(amounts)
            else:
                yield from [(what, amount + before[what]) for what, amount in amounts.items()]


def exceeds(init: Container, regular: Iterable[Container]) -> bool:
    """Whether an init container has more of a resource than these regular containers together: native sidecars before it add to that.

    An amount that cannot be read exceeds every other.
    """
    try:
        total = sum([Counter(amounts_of(container)) for container in regular], Counter[tuple[str, str]]())
        return any(amount > total[what] for what, amount in amounts_of(init).items())
    except ValueError:
        return True


def has_amounts(container: Container) -> bool:
    """Whether a container has requests or limits; the API server writes ``{}`` where it has none."""
    return container.resources != ABSENT and bool(container.demands)


def amounts_of(container: Container) -> Amounts:
    """Requests and limits of a container; a limit without a request is the request, too (pkg/apis/core/v1/defaults.go).

    Raises:
        ValueError: One cannot be read.

    """
    if not has_amounts(container):
        return {}
    limits = _read(container.demands.get("limits"))
    requests = limits | _read(container.demands.get("requests"))
    return {("requests", name): amount for name, amount in requests.items()} | {("limits", name): amount for name, amount in limits.items()}


def _read(quantities: Any) -> dict[str, int]:
    if quantities is None:
        return {}
    if not isinstance(quantities, dict) or len(quantities) > MAX_RESOURCES:
        message = "requests or limits are no mapping, or a large one"
        raise ValueError(message)
    return {name: read_quantity(value) for name, value in quantities.items()}
