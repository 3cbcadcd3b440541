"""The testing kit. Its pytest plugin is found by itself; see `riveredge_sdk.testing.plugin` for the fixtures."""
