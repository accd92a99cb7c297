"""PURE: events, their codec, the fold, hashes, errors. No I/O, no clock, no chance."""
