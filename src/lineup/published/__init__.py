"""What the five reports say, and its reader."""
