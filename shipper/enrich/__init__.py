"""Facts that the application does not repeat on each call: context, service and host, model, git."""
