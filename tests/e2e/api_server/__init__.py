"""An API server without a node: what it does with the webhook's answers, and what the webhook does with its API.

Pods are created as dry runs in a namespace of the test's own (`tests.e2e.namespaces`). `own_webhook` starts a webhook process for one test,
`native_webhook` one that watches its cluster, `scripted_webhook` gives any answer, `self_managed_webhook` has replicas with certificates of
the authority, `doctor` runs the doctor, `simulated_injection` and `old_types` stand in for other webhooks, `submission` has the real pods.
"""
