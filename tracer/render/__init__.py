"""Renderers: Diagnosis in, text out. They never look anything up."""
