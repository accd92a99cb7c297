"""The service as its clients meet it: over HTTP, as a process."""
