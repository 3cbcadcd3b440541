"""The core: what a decision does to an instance."""
