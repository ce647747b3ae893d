"""What is timed of the passes around activations: their arrays, and the calls of each library."""
