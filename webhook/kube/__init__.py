"""The cluster's API, kept beside the request path: what is read of it, how it is followed, and where the last word of it stands."""
