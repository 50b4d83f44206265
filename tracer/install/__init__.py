"""What flantrace puts into a cluster, and how it gets there and away again."""
