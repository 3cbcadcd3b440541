"""Templates: written, versioned, checked and rendered; layouts, partials, and the plugins' own."""
