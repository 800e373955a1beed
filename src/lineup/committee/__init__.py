"""Combine the predictions of several records into one."""
