"""One file per foreign library or framework."""
