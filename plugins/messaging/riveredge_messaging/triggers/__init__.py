"""Messages that are sent by themselves: when an event happens, or so long before or after a date in it."""
