"""What became of each record, how far behind shipping is, and how people are told of trouble."""
