"""The channels this plugin brings."""
