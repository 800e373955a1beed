"""Combine the predictions of several models in a committee (ensemble)."""
