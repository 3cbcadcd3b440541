"""Configurations of providers: kept, chosen, watched and taken out of use."""
