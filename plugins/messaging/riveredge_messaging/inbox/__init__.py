"""The in-app inbox: everybody's own messages, with their states, tabs and counters."""
