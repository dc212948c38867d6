"""Container images for the cluster: made from folders, without a registry and without a container engine."""
