"""The one Kubernetes client, and the watcher that follows the cluster's state away from the requests.

`client` sends requests, with the credentials that `credentials` and `kubeconfig` find, and raises `errors`. `port_forward` and `exec` use
`pod_channels`, and a `reflector` follows a collection. `reading` decodes responses,
and `nodes` holds the nodes. `watcher` keeps a `view` current, which the request path reads without I/O.
"""
