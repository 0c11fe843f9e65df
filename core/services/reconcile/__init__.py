"""Reconciling: counters, billing records and Stripe's summaries side by side."""
