"""One picture a function: data in, Figure out."""
