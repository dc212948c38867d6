"""What Kubernetes would say: rules of the API server and the kubelet, written down for tests."""
