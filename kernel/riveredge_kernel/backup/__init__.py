"""Back-ups: everything that an installation keeps, in one file that says what it holds."""
