"""Arrays in, numbers out: metrics of a classifier."""
