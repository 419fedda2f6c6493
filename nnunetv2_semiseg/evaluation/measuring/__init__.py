"""Reading label maps and measuring each case."""
