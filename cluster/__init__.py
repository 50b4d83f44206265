"""A real Kubernetes cluster with a real flannel on one machine, for the tests.

etcd, kube-apiserver, kube-controller-manager, kube-scheduler; on each node containerd, runc,
kubelet, kube-proxy, the CNI plugins and flanneld as its own DaemonSet. Every node is a network,
mount and UTS namespace; nothing of it is on the machine's own network.

    modules/     what is built, and of which version: go.mod files
    build.py     builds it once, into a cache outside of the checkout
    nodes.py     the namespaces, and what a node's file system is made of
    control.py   the control plane
    workers.py   containerd, kubelet and kube-proxy of a node
    images.py    container images, without an engine or a registry
    setup.py     up and down
"""
