"""A certificate authority for one webhook.

The authority is in a Secret. Each replica of the webhook has a `certs.manager.CertificateManager`, which reconciles: it reads the Secret
and the webhook's configuration (`certs.store`), takes the action that they call for (`certs.rotation`), and has its own serving
certificate signed (`certs.leaf`). The caller brings a Kubernetes client (`certs.api.KubernetesApi`), a thread and a TLS server.
"""
