"""The database: engines, sessions, the tenancy walls and units of work."""
