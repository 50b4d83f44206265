"""Bundles on disk: read, write, migrate."""
