"""Taking along what is shown: to the clipboard, into a file, to Stripe's dashboard."""
