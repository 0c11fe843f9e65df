"""Redis users and Stripe keys of a context: what they may, and making them so."""
