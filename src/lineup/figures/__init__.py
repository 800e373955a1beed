"""One function per figure: data in, Figure out."""
