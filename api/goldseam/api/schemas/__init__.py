"""Bodies of the API by subject; every field says its meaning and unit."""
