"""The `riveredge` command."""
