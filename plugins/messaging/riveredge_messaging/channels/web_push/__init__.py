"""Web Push: to people's browsers, also while no page of the platform is open."""
