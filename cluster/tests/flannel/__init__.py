"""What flannel of the pinned version does, claim by claim (docs/reference/flannel-behaviour.md)."""
