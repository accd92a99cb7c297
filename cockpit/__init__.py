"""The composition root: the command line and the all-in-one process."""
