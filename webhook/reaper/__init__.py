"""The reaper: ends pods whose task has ended and whose sidecars run on, where no admission could see to it.

`decision` says what is to be done about a pod, and why: a pure function of the pod, the policy, the time and the past acts. `reason` is
the table of its answers, `act` what it may do. `sweep` makes one pass: it reads `task_pods`, and has acts carried out (`carrying_out`) that
are still due at the last moment. What a container is, and how it ends, it takes from `webhook.core`.
"""
