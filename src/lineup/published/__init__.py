"""The published results that the line-up is compared with."""
