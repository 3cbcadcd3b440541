"""The typed vocabulary plugins share: one module per feature."""
