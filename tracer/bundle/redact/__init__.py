"""A recording without its names, addresses, MACs and payload: what may leave the building."""
