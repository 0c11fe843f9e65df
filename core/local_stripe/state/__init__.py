"""The account on disk: what a local Stripe answered is there after it was killed."""
