"""What happens outside: calls, messages, timers."""
