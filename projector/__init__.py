"""Log in, rows out: the only writer of the read model."""
