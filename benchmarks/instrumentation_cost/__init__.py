"""The parts of `benchmarks/instrumentation.py`."""
