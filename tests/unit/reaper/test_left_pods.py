"""Which notices about pods that the webhook left are published, when, and in which order."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from tests.support.live_pods import ISTIO, live_pod
from webhook.core import default_policy, read_progress
from webhook.reaper.left_pods import BURST, EARLY, EVENTS_A_SECOND, MOST_WAITING, USEFUL, LeftPods
from webhook.reaper.notice import Notice, NoticeKind

NOW: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
POD: Final = read_progress(live_pod({}, ISTIO), default_policy().catalogue)
SECOND: Final = timedelta(seconds=1)


def notice(name: str, namespace: str = "airflow") -> Notice:
    assert POD is not None
    return Notice(NoticeKind.TASK_POD_LEFT, replace(POD, name=name, uid=f"{namespace}/{name}", namespace=namespace), "It was left.")


def left(count: int, now: datetime = NOW, namespace: str = "airflow") -> LeftPods:
    """So many notices."""
    pods = LeftPods()
    for number in range(count):
        pods.add(notice(f"pod-{number}", namespace), now, None)
    return pods


def names(taken: list[Notice]) -> list[str]:
    return [one.pod.name for one in taken]


def test_each_is_published_at_once_and_once_in_their_order() -> None:
    pods = left(3)
    assert names(pods.take(NOW, None)) == ["pod-0", "pod-1", "pod-2"]
    assert (pods.take(NOW, None), pods.next_at(None)) == ([], None)


def test_of_ten_thousand_at_once_each_has_its_turn_and_no_second_has_more_than_it_may() -> None:
    pods, now = left(10_000), NOW
    counts = []
    while taken := pods.take(now, None):
        counts.append(len(taken))
        pods.drop_old(now, None)
        now += SECOND
    assert (counts[0], set(counts[1:]), sum(counts)) == (BURST, {EVENTS_A_SECOND}, 10_000)


def test_the_next_one_has_its_time_which_is_when_it_is_published() -> None:
    pods = left(BURST + 2)
    assert len(pods.take(NOW, None)) == BURST
    for number in (BURST, BURST + 1):
        at = pods.next_at(None)
        assert at == NOW + SECOND * (number - BURST + 1) / EVENTS_A_SECOND
        assert names(pods.take(at, None)) == [f"pod-{number}"]
    assert pods.next_at(None) is None


def test_nothing_is_due_before_it_was_ever_published() -> None:
    assert left(1).next_at(None) is None


def test_a_pause_earns_no_more_than_the_first_burst() -> None:
    pods = left(BURST)
    pods.take(NOW, None)
    later = NOW + timedelta(hours=1)
    for number in range(3 * BURST):
        pods.add(notice(f"late-{number}"), later, None)
    assert len(pods.take(later, None)) == BURST


def test_ten_thousand_of_one_namespace_hold_up_no_other_one() -> None:
    pods = left(MOST_WAITING - 1)
    pods.add(notice("here", "data"), NOW, None)
    assert names(pods.take(NOW, None))[:3] == ["pod-0", "here", "pod-1"]


def test_one_of_a_namespace_that_is_not_served_waits_until_it_is() -> None:
    pods = left(2, namespace="web")
    pods.add(notice("here"), NOW, None)
    assert names(pods.take(NOW, frozenset({"airflow"}))) == ["here"]
    assert pods.next_at(frozenset({"airflow"})) is None
    assert pods.next_at(frozenset({"airflow", "web"})) == NOW
    assert names(pods.take(NOW, frozenset({"airflow", "web"}))) == ["pod-0", "pod-1"]


def test_one_that_waited_too_long_is_forgotten() -> None:
    pods = left(1)
    pods.add(notice("late", "data"), NOW + SECOND, None)
    pods.drop_old(NOW + USEFUL - SECOND, None)
    pods.drop_old(NOW + USEFUL, None)
    assert names(pods.take(NOW + USEFUL, None)) == ["late"]


def test_there_are_never_more_than_there_is_room_for() -> None:
    pods = left(MOST_WAITING + 5)
    pods.drop_old(NOW + USEFUL, None)
    assert pods.take(NOW + USEFUL, None) == []
    for number in range(MOST_WAITING + 5):
        pods.add(notice(f"pod-{number}", str(number % 7)), NOW + USEFUL, None)
    found: Counter[str] = Counter()
    now = NOW + USEFUL
    while taken := pods.take(now, None):
        found.update(names(taken))
        now += SECOND
    assert (found.total(), len(found)) == (MOST_WAITING, MOST_WAITING)


MOST: Final = 60


def fill(pods: LeftPods, namespace: str, served: frozenset[str] | None, count: int = MOST) -> None:
    """Add so many notices of a namespace, each of another pod."""
    for number in range(count):
        pods.add(notice(f"pod-{number}", namespace), NOW, served)


def test_a_namespace_that_fills_all_places_leaves_each_other_one_as_many_as_it_has_itself() -> None:
    pods = LeftPods(MOST)
    fill(pods, "full", None)
    fill(pods, "data", None, 10)
    fill(pods, "airflow", None)
    found = Counter(one.pod.namespace for one in pods.take(NOW, None))
    assert found == {"data": 10, "airflow": 25, "full": 25}


def test_what_gives_way_is_the_newest_one_of_the_namespace_that_has_most() -> None:
    pods = LeftPods(3)
    fill(pods, "full", None, 3)
    pods.add(notice("here", "data"), NOW, None)
    pods.add(notice("too-many", "full"), NOW, None)
    assert names(pods.take(NOW, None)) == ["pod-0", "here", "pod-1"]


def test_a_pod_whose_label_comes_and_goes_has_one_notice() -> None:
    pods = LeftPods(2)
    for _ in range(3):
        pods.add(notice("flipped"), NOW, None)
    pods.add(notice("here", "data"), NOW, None)
    assert names(pods.take(NOW, None)) == ["flipped", "here"]
    pods.add(notice("flipped"), NOW, None)
    assert names(pods.take(NOW, None)) == ["flipped"]


def test_pods_of_namespaces_that_have_not_opted_in_take_no_place_of_one_that_is_served() -> None:
    served = frozenset({"airflow"})
    pods = LeftPods(MOST)
    fill(pods, "airflow", served, MOST // 2)
    for namespace in ("web", "ci"):
        fill(pods, namespace, served)
    fill(pods, "airflow", served)
    assert len(pods.take(NOW, served)) == MOST


def test_one_of_a_namespace_that_does_not_opt_in_soon_is_forgotten() -> None:
    served = frozenset({"airflow"})
    pods = left(1, namespace="web")
    pods.add(notice("here"), NOW, served)
    pods.add(notice("later", "web"), NOW + SECOND, served)
    pods.drop_old(NOW + EARLY, served)
    assert names(pods.take(NOW + EARLY, None)) == ["later", "here"]
