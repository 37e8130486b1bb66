"""What a rule may say: one model per kind, and the file they stand in."""
