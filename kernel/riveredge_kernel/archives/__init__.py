"""What leaves the platform as a file, and what comes back: organisations, and the data of people."""
