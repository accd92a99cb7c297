"""What both APIs share: problems, callers, request context, paging, instants."""
