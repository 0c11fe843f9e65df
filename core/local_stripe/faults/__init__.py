"""Everything a sandbox's Stripe does wrong on purpose, and how it is told to."""
