"""The reaper: ends pods whose task has ended and whose sidecars run on, where the webhook could not provide for that.

`decision` says what is to be done about a pod, and why: a pure function of the pod, the policy, the time and the past acts. `reason` is
the table of its answers, `act` what it may do, and `execution` does that, if it is still due at the last moment. What a container is, and
how it ends, it takes from `webhook.core`.

`sweep` makes one pass: it reads `task_pods`, and each `pod_end` lasts until the kubelet has ended the pod. The `controller` follows the
pods of its `scope` (`pod_watch`, `namespaces`), has an `agenda` for those whose task has ended (`tracked_pods`), and has a log and
`metrics` (`telemetry`). It also reports pods that the webhook left, before they start (`left_pod_watch`, `left_pods`). Pass and controller
publish each `notice` as a `pod_event` (`event_writer`, `sweep_events`).
"""
