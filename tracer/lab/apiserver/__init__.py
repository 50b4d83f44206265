"""A Kubernetes API server in memory: the REST protocol, for what the lab needs of it."""
