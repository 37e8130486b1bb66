"""One file per foreign library or framework: what is to be done so that its logs come in the same shape, once."""
