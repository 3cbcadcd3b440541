"""The HTTP side: context, routes, problems, idempotency and the API document."""
