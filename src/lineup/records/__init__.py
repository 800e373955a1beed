"""Records: the small folder that every model and every committee leaves, and what machine made it."""
