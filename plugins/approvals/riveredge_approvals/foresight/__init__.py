"""Looking ahead: the way that a request would take, and what a draft would change for those of the past."""
