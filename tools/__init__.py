"""What builds things out of this repository. No part of an installation."""
