"""Settings: what a user may set, read and checked."""
