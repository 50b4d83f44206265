"""flantrace: an eBPF-assisted tracer for flannel's VXLAN overlay."""

__version__ = "0.1.0"
