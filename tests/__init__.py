"""What must hold: unit and property tests, tests on a real database, tests of the started service."""
