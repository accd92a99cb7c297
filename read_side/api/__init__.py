"""The read side over HTTP: one file a resource."""
