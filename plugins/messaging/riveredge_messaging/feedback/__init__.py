"""What comes back: reports of providers, addresses that get nothing any more, readers who unsubscribe."""
