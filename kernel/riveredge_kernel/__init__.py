"""The kernel: tenancy, auth, plugins, units of work and the Inngest client. Plugins use the SDK, not this package."""

__version__ = "0.1.0"
