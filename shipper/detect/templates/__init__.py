"""Which messages are the same message: variable parts masked, words that vary found, a fingerprint for the rest."""
