"""The ways to say who decides that come with the plugin."""
