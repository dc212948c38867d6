"""A label selector, evaluated as the API server does (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_never

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Requirement(msgspec.Struct, frozen=True):
    """One of ``matchExpressions``. An absent label matches ``NotIn``, whatever the values."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] | None = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels match."""
        match self.operator:
            case "In":
                return self.key in labels and labels[self.key] in (self.values or ())
            case "NotIn":
                return self.key not in labels or labels[self.key] not in (self.values or ())
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case _:
                assert_never(self.operator)

    def __str__(self) -> str:
        """In the syntax of ``kubectl --selector``."""
        match self.operator:
            case "In" | "NotIn":
                return f"{self.key} {self.operator.lower()} ({', '.join(self.values or ())})"
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"
            case _:
                assert_never(self.operator)


class LabelSelector(msgspec.Struct, frozen=True):
    """A selector. All of its parts must match; an empty one matches everything."""

    matchLabels: dict[str, str] | None = None  # noqa: N815  the API's own name
    matchExpressions: tuple[Requirement, ...] | None = None  # noqa: N815  the API's own name

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        named = all(labels.get(key) == value for key, value in (self.matchLabels or {}).items())
        return named and all(one.matches(labels) for one in self.matchExpressions or ())

    @property
    def query(self) -> str:
        """As the API server takes it in ``labelSelector``, in the syntax of ``kubectl --selector``; "" selects everything."""
        return ",".join([*(f"{key}={value}" for key, value in (self.matchLabels or {}).items()), *map(str, self.matchExpressions or ())])

    def unmet(self, labels: Mapping[str, str]) -> str:
        """The parts that these labels do not match, in the syntax of ``kubectl --selector``; "" where all match."""
        return ", ".join(self._unmet(labels))

    def missing_labels(self, labels: Mapping[str, str]) -> dict[str, str] | None:
        """The labels to set so that it matches; None: setting those of ``matchLabels`` is not enough."""
        named = self.matchLabels or {}
        if not self.matches({**labels, **named}):
            return None
        return {key: value for key, value in named.items() if labels.get(key) != value}

    def _unmet(self, labels: Mapping[str, str]) -> Iterator[str]:
        yield from (f"{key}={value}" for key, value in (self.matchLabels or {}).items() if labels.get(key) != value)
        yield from (str(one) for one in self.matchExpressions or () if not one.matches(labels))


EVERYTHING = LabelSelector()
"""The selector of a webhook that sets none (admissionregistration.k8s.io/v1: the default is the empty selector)."""
