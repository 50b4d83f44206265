"""flantrace's container image, built from Debian packages and wheels without a container engine."""
