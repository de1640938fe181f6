"""What taking OTLP in costs, step by step and end to end; `benchmarks/ingest.py` is the program."""
