"""The outside world: Redis, Stripe, processes. The only importers of their clients."""
