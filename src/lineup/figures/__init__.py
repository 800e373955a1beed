"""Plot results with matplotlib. Each function returns a figure."""
