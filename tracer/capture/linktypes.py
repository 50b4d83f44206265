"""Link types by the tcpdump group's numbers (tcpdump.org/linktypes.html)."""

ETHERNET = 1
RAW = 101
"""IP of either version, nothing before it."""
COOKED = 113
"""LINKTYPE_LINUX_SLL: 16 bytes that say direction and ethertype."""
