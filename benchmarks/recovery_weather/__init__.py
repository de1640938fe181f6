"""What `benchmarks/recovery.py` is made of."""
