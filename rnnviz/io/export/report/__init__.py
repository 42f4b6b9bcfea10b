"""A run as one self-contained HTML file, to be read, kept and sent."""
