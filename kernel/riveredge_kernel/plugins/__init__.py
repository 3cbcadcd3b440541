"""Plugins: discovery, the host that isolates them, their report and their switches."""
