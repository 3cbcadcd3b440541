"""Processes: drafts, versions and what people do with them."""
