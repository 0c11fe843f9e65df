"""A local Stripe, an embedded Valkey and simulated traffic: no account needed."""
