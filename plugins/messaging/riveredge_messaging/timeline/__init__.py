"""What became of messages, and why: decisions, progress and explanations, in words."""
