"""What Redis users and Stripe keys of each role may do, as pure tables."""
