"""The worker: finds unsent usage, claims it, sends it to Stripe, settles it."""
