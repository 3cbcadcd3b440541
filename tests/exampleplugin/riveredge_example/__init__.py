"""A plugin as a third party would write it: notes. It uses every hook, and imports nothing of ours but the SDK."""

from riveredge_example.plugin import ExamplePlugin

plugin = ExamplePlugin()
