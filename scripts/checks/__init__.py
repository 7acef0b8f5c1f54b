"""The rules behind scripts/check, a module for each kind; see scripts/README.md."""
