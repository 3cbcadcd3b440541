"""The providers this plugin brings."""
