"""One method a file; every file here is discovered."""
