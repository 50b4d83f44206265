"""Link types by the tcpdump group's numbers (tcpdump.org/linktypes.html)."""

NULL, LOOP = 0, 108
"""Four bytes of address family, then IP."""
ETHERNET = 1
RAW = 101
"""IP of either version, nothing before it."""
RAWS = frozenset({12, 14, RAW, 228, 229})
"""RAW under its older numbers, and those of one version only."""
COOKED = 113
"""LINKTYPE_LINUX_SLL: 16 bytes that say direction and ethertype; `tcpdump -i any` up to 4.98."""
COOKED2 = 276
"""LINKTYPE_LINUX_SLL2: 20 bytes, the device's number among them; `tcpdump -i any` from 4.99."""
