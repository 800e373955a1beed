"""Write Markdown pages, tables and figures from records."""
