"""Hash the code of each pipeline stage, so that DVC detects changes in the code."""
