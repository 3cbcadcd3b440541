"""Published events: the outbox, and the relay that sends it to Inngest."""
