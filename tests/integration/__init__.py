"""Parts of the service on a real database."""
