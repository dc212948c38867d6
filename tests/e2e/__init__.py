"""Tests on real parts, one folder a level; each level builds on those before it.

`harness`: the test bed itself. `api_server`: etcd and kube-apiserver. `node`: a kubelet with containerd. `installation`: the chart and the
manifest on a node. `mesh`: Istio. `airflow`: Airflow in the mesh.

The fixtures in `conftest` start a level once for a process. Its tests share it, each in a namespace of its own (`namespaces`). Also here:
`registration` registers a webhook and waits until it is called, `rights` makes users with few rights, `scheduling` says which tests share
a process, `summary` prints what a run measured. How to write a test: docs/testing.md, "A test on the real API server".
"""
