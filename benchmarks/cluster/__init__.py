"""Many nodes: faults under live calls, hosts in network namespaces."""
