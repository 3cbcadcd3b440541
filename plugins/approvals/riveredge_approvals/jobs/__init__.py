"""What goes on over many requests, one after the other: watched, cancelled, and told of each what became of it."""
