"""How far results are from the exact ones: inputs to seek among, what is exact, and errors in ULP."""
