"""The lab: a flannel cluster in network namespaces of one machine, made to be broken."""
