"""Tables in: read, checked, spread."""
