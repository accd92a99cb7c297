"""The admin page: what administrators see and do in a browser, rendered here, through the same doors as the API."""
