"""Users, memberships, roles and access tokens."""
