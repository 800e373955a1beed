"""Modules that run the pipeline, create projects and check the machine."""
