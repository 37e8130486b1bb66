"""Windows of event time: which there are, which are due, and which rest."""
