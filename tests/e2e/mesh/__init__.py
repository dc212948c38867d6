"""Istio on a node: tasks beside its real sidecar, wrapped and native.

`namespace` is a namespace of the mesh; the fixtures in `conftest` differ in whether Istio's webhook or this one is called first. `task` has
scripts and what tests read, `rendering` makes pods comparable, `server` runs servers outside the mesh, `secrets_agent` is OpenBao's.
"""
