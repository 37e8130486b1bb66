"""The field table (`schema/*.yml`) and everything that is generated from it."""
