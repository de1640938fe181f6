"""Parts of `benchmarks/api.py`."""
