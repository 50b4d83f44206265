"""The pure core: facts in, diagnosis out. No file here performs I/O or knows a library."""
