"""Pure tensor functions: one loss or measure a file."""
