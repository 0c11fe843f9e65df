"""The operators' console and command line of meterdeck."""
