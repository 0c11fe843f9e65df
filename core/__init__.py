"""Count usage in Redis, bill it through Stripe Meters, reconcile the two."""
