"""What is measured and how: speed beside NumPy and other libraries, and accuracy. Prints nothing."""
