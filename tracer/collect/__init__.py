"""The edges towards kernel, node and API. Each outside library has one home here.

bcc -> bpf.py    pyroute2 -> netlink.py    kubernetes -> kube.py
"""
