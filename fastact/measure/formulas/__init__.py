"""The catalog's formulas as trees, and as the NumPy calls that compute them fastest in place."""
