"""8. What a person is told: alerts, their identity and their state."""
