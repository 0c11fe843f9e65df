"""A soak: the whole system at work, a fault every few seconds, and books that balance.

`make soak`, or `python -m tests.soak --minutes 10 --seed 1`; see docs/soak.md.
"""
