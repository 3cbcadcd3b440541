"""Tenants, their plugin switches and their settings."""
