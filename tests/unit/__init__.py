"""What needs nothing but itself."""
