"""Fit one model and leave its record."""
