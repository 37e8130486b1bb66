"""1. The application logs: the handler, the structlog chain, `configure()`."""
