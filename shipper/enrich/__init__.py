"""2. Pure: event dict in, new event dict out (context, service, git, model, limits)."""
