"""Questions in, answers out: what is true, what was, what changed."""
