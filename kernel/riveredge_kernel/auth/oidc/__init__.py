"""Signing in with an organisation's own identity provider (OpenID Connect Core 1.0)."""
