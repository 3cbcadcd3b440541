"""Who decides: resolvers, substitutes and policies."""
