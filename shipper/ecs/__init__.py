"""Pure and total: an `Event` becomes one line of UTF-8 JSON in ECS, whatever it holds."""
