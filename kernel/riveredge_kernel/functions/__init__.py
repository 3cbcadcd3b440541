"""Durable functions: the Inngest client, the wrapper around handlers and the mirror of runs."""
