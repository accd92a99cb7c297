"""The write side over HTTP: one file a resource."""
