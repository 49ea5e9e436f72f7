"""Tables out: staged, put in place whole, recorded."""
