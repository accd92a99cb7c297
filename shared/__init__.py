"""What the sides must agree on; it imports nothing else of ours."""
