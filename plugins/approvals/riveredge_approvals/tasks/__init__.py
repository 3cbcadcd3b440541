"""What people are asked: decide and hand on."""
