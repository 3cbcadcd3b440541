"""Migrations: one Alembic version table for each plugin, one environment, one runner."""
