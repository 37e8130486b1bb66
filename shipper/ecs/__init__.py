"""3. Pure and total: an event dict becomes one line of ECS JSON, whatever is in it."""
