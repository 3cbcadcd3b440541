"""What decides whether, when and where somebody gets a message: categories, policies, preferences, quiet hours."""
