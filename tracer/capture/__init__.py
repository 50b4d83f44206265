"""Captures: recordings as pcapng for Wireshark, and tcpdump's files as recordings."""
