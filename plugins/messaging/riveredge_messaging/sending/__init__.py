"""From an accepted message to deliveries that are to go out: for whom, when, together with what, or not at all."""
