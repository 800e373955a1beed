"""The pages made from records."""
